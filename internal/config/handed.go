// What is handed over to workers.

package config

import "encoding/json"

// Handed is the settings of the inside of a worker that somebody wrote, as JSON
// that decodes over a handoff.Settings. What a program set in code stands where
// nothing was written.
func (c *Config) Handed() json.RawMessage {
	written := map[string]any{}
	for _, s := range Settings {
		if s.Inside && (s.Block == Top || s.Block == InApp) {
			if field := s.field(c); c.Written(field) {
				written[s.Name] = field
			}
		}
	}
	text, err := json.Marshal(written)
	if err != nil {
		panic("config: " + err.Error()) // plain values always marshal
	}
	return text
}

// NeedUpgrade names the settings that differ between the two configurations and
// that a reload cannot change.
func (c *Config) NeedUpgrade(next *Config) (names []string) {
	for _, s := range Settings {
		if s.Upgrade && s.format(s.field(c)) != s.format(s.field(next)) {
			names = append(names, s.Name)
		}
	}
	return names
}
