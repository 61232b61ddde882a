package dcs

import "encoding/json"

// Configuration is the dynamic configuration. Values is nil if there is none.
//
// Whole numbers in Values are int, others float64; what fits neither exactly is
// a json.Number.
type Configuration struct {
	Values  map[string]any
	Version Version // of the key, also where its value is no object
}

func parseConfiguration(docs map[Key]Document, p *problems) Configuration {
	doc, ok := docs[ConfigKey]
	if !ok {
		return Configuration{}
	}
	// The value is never quoted: settings may hold passwords.
	c := Configuration{Version: doc.Version}
	if !json.Valid(doc.Value) {
		p.add(ConfigKey, "%d bytes that are no JSON; it must be an object", len(doc.Value))
		return c
	}
	value, err := decodeAny(doc.Value)
	if err == nil {
		c.Values, ok = value.(map[string]any)
	}
	if err != nil || !ok {
		p.add(ConfigKey, "%d bytes of JSON that are no object", len(doc.Value))
	}
	return c
}

// MarshalJSON writes the value of the config key, its keys sorted.
func (c Configuration) MarshalJSON() ([]byte, error) {
	if c.Values == nil {
		return []byte("{}"), nil
	}
	return encode(c.Values)
}
