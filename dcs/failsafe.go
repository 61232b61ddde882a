package dcs

// Failsafe is the map of members that must pledge, name to api_url.
type Failsafe struct {
	Members map[string]string // nil: missing or unreadable, which is no pledge at all
	Version Version
}

func parseFailsafe(docs map[Key]Document, p *problems) Failsafe {
	doc, ok := docs[FailsafeKey]
	if !ok {
		return Failsafe{}
	}
	f := Failsafe{Version: doc.Version}
	raw, ok := decodeObject(doc.Value)
	if !ok {
		p.add(FailsafeKey, "%s is no JSON object of member names and their api_url", excerpt(doc.Value))
		return f
	}
	members := make(map[string]string, len(raw))
	for name, value := range raw {
		url, ok := scalar(value)
		if !ok || url == "" {
			p.add(FailsafeKey, "the api_url of %s is %s; the whole map counts as unreadable", excerpt(name), excerpt(value))
			return f
		}
		members[name] = url
	}
	f.Members = members
	return f
}

// MarshalJSON writes the value of the failsafe key, its keys sorted.
func (f Failsafe) MarshalJSON() ([]byte, error) {
	if f.Members == nil {
		return []byte("{}"), nil
	}
	return encode(f.Members)
}
