package accounts

import "testing"

func TestUserAndGroup(t *testing.T) {
	for _, tt := range []struct {
		name string
		want int // -1: there is none
	}{
		{"root", 0}, {"0", 0}, {"4242", 4242}, {"4294967294", 4294967294},
		{"4294967295", -1}, {"4294967296", -1}, {"-1", -1}, {"", -1}, {"no such name", -1},
	} {
		for kind, find := range map[string]func(string) (int, error){"user": User, "group": Group} {
			got, err := find(tt.name)
			if err != nil {
				got = -1
			}
			if got != tt.want {
				t.Errorf("%s %q = %d, %v; want %d", kind, tt.name, got, err, tt.want)
			}
		}
	}
}
