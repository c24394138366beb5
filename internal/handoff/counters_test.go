package handoff

import (
	"encoding/json"
	"testing"
	"time"
)

func TestCountersKeepTheirValuesInJSON(t *testing.T) {
	var c Counters
	for i := range c.words() {
		c.words()[i] = uint64(i)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Counters
	if err := json.Unmarshal(text, &back); err != nil || back != c {
		t.Errorf("%v: %+v is read back from %s as %+v", err, c, text, back)
	}

	g := Gauges{Open: 3, Width: 1}
	if text, err = json.Marshal(g); err != nil || string(text) != `{"open":3,"width":1}` {
		t.Errorf("gauges are %s, %v", text, err)
	}
	var gback Gauges
	if err := json.Unmarshal(text, &gback); err != nil || gback != g {
		t.Errorf("%v: gauges are read back as %v", err, gback)
	}
}

func TestCountersInJSONAreNamed(t *testing.T) {
	var c Counters
	c.Requests[1][2] = 7
	c.Events[BytesOut] = 99
	c.Durations.observe(3 * time.Millisecond)
	c.Durations.observe(time.Hour)
	const want = `{"requests":{"fastcgi":{"2xx":7}},"events":{"bytes_out":99},` +
		`"durations":{"count":2,"seconds":3600.003,"nanoseconds":3600003000000,"buckets":[{"le":"5ms","count":1},{"le":"+Inf","count":1}]},` +
		`"waits":{"count":0,"seconds":0,"nanoseconds":0}}`
	if text, err := json.Marshal(c); err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}
