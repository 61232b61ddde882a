package rest

import "reflect"

// Merge applies patch to values as PATCH /config does: null removes a key, an
// object changes the keys it has, anything else replaces. It returns a new map
// and whether anything changed.
//
// A null inside an object that is new is dropped: it means "remove", and what
// isn't there can't be removed.
func Merge(values, patch map[string]any) (merged map[string]any, changed bool) {
	merged = make(map[string]any, len(values)+len(patch))
	for name, v := range values {
		merged[name] = v
	}
	for name, v := range patch {
		old, there := merged[name]
		switch v := v.(type) {
		case nil:
			delete(merged, name)
			changed = changed || there
		case map[string]any:
			oldMap, isMap := old.(map[string]any)
			inner, innerChanged := Merge(oldMap, v)
			merged[name] = inner
			changed = changed || innerChanged || !isMap
		default:
			merged[name] = v
			changed = changed || !there || !reflect.DeepEqual(old, v)
		}
	}
	return merged, changed
}
