package dcs

import "strings"

// Initialized is the initialize key: Present with an empty SystemID while
// somebody bootstraps.
type Initialized struct {
	Present  bool
	SystemID string // valid: see ValidSystemID
	Version  Version
}

// ValidSystemID says whether id can be PostgreSQL's system identifier: at least
// ten decimal digits.
func ValidSystemID(id string) bool {
	return len(id) >= 10 && len(id) <= 20 && strings.Trim(id, "0123456789") == ""
}

func parseInitialize(docs map[Key]Document, p *problems) Initialized {
	doc, ok := docs[InitializeKey]
	if !ok {
		return Initialized{}
	}
	id := strings.TrimSpace(string(doc.Value))
	if id != "" && !ValidSystemID(id) {
		p.add(InitializeKey, "%s is no system identifier, which has 10 to 20 digits", excerpt(id))
	}
	return Initialized{Present: true, SystemID: id, Version: doc.Version}
}
