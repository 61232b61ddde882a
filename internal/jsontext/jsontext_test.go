package jsontext

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObject(t *testing.T) {
	o := &Object{}
	o.Set("z", 1)
	o.Set("a", []any{true, nil, "x, y: \"z\""})
	inner := &Object{}
	inner.Set("<ö>", "&")
	o.Set("m", inner)
	got, err := Encode(o)
	if want := `{"z": 1, "a": [true, null, "x, y: \"z\""], "m": {"<\u00f6>": "&"}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	o.Set("n", []*Object{inner, nil})
	o.Set("none", []*Object(nil))
	o.Set("few", []*Object{})
	o.Set("u", uint64(1<<63))
	o.Set("f", false)
	alone, err := Encode(o)
	if want := string(got[:len(got)-1]) + `, "n": [{"<\u00f6>": "&"}, null], "none": null, "few": [], "u": 9223372036854775808, "f": false}`; err != nil || string(alone) != want {
		t.Errorf("%s, %v", alone, err)
	}
	// Inside of something that encoding/json writes, it is written the same.
	if within, err := Encode([]any{o}); err != nil || string(within) != "["+string(alone)+"]" {
		t.Errorf("%s, %v", within, err)
	}
	if _, err := Encode(map[string]any{"x": make(chan int)}); err == nil {
		t.Error("a channel was encoded")
	}
}

// JSON as we write it is the JSON that it was.
func FuzzJSONText(f *testing.F) {
	f.Add(`{"a": [1, 2.5, {"b\"\\": "x, y: z"}], "ö😀\u2028": null, "<&>": "\\"}`)
	f.Add(`"\\\""`)
	f.Fuzz(func(t *testing.T, text string) {
		var before, after any
		if json.Unmarshal([]byte(text), &before) != nil {
			return
		}
		out, err := Encode(before)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Error(diff)
		}
		if i := strings.IndexFunc(string(out), func(r rune) bool { return r >= 0x7f }); i >= 0 {
			t.Errorf("%s isn't ASCII", out)
		}
	})
}
