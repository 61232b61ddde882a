package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/regent-ha/regent/internal/jsontext"
)

// Formats of output.
const (
	formatPretty   = "pretty"
	formatTSV      = "tsv"
	formatJSON     = "json"
	formatYAML     = "yaml"
	formatYML      = "yml"
	formatTopology = "topology" // as pretty, with the members as a tree
)

// formats that can be asked for.
var formats = []string{formatPretty, formatTSV, formatJSON, formatYAML, formatYML}

// column of a table.
type column struct {
	title string // of the table
	key   string // of JSON and YAML, where it is another one
	right bool   // aligned to the right
}

// table is rows under columns. A cell is nil or "" for nothing, a text, a number
// or a map.
type table struct {
	heading   string // over a pretty one
	columns   []column
	rows      [][]any
	keepEmpty bool // empty cells stand in JSON and YAML too
}

func (t *table) add(cells ...any) { t.rows = append(t.rows, cells) }

// write prints the table in a format.
func (t *table) write(w io.Writer, format string) error {
	switch format {
	case formatTSV:
		t.tsv(w)
	case formatJSON:
		text, err := jsontext.Encode(t.objects())
		if err != nil {
			return err
		}
		fmt.Fprintln(w, string(text))
	case formatYAML, formatYML:
		text, err := yamlText(t.maps())
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\n", text)
	default:
		t.pretty(w)
	}
	return nil
}

func (c column) name() string {
	if c.key != "" {
		return c.key
	}
	return c.title
}

func (t *table) tsv(w io.Writer) {
	line := make([]string, len(t.columns))
	for i, c := range t.columns {
		line[i] = c.name()
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for _, row := range t.rows {
		for i, cell := range row {
			line[i] = strings.ReplaceAll(cellText(cell, flowYAML), "\n", ", ")
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
}

func (t *table) objects() []*jsontext.Object {
	objects := make([]*jsontext.Object, 0, len(t.rows))
	for _, row := range t.rows {
		o := &jsontext.Object{}
		for i, cell := range row {
			if t.keepEmpty || !isEmpty(cell) {
				o.Set(t.columns[i].name(), cell)
			}
		}
		objects = append(objects, o)
	}
	return objects
}

func (t *table) maps() []map[string]any {
	maps := make([]map[string]any, 0, len(t.rows))
	for _, row := range t.rows {
		m := map[string]any{}
		for i, cell := range row {
			if t.keepEmpty || !isEmpty(cell) {
				m[t.columns[i].name()] = cell
			}
		}
		maps = append(maps, m)
	}
	return maps
}

func isEmpty(cell any) bool { return cell == nil || cell == "" }

// cellText is a cell as text; maps are written by asMap.
func cellText(cell any, asMap func(map[string]any) string) string {
	switch c := cell.(type) {
	case nil:
		return ""
	case map[string]any:
		return asMap(c)
	case json.Number:
		return c.String()
	}
	return fmt.Sprint(cell)
}

// pretty draws the table with lines around it. The heading lies over the first
// line.
func (t *table) pretty(w io.Writer) {
	header := make([][]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = []string{c.title}
	}
	grid, tall := [][][]string{header}, false
	for _, row := range t.rows {
		cells := make([][]string, len(row))
		for i, cell := range row {
			cells[i] = strings.Split(cellText(cell, blockYAML), "\n")
			tall = tall || len(cells[i]) > 1
		}
		grid = append(grid, cells)
	}
	widths := t.widths(grid)
	rule := "+"
	for _, width := range widths {
		rule += strings.Repeat("-", width+2) + "+"
	}
	fmt.Fprintln(w, overwrite(rule, t.heading))
	for i, row := range grid {
		t.line(w, row, widths)
		if i == 0 || tall || i == len(grid)-1 {
			fmt.Fprintln(w, rule)
		}
	}
}

func (t *table) widths(grid [][][]string) []int {
	widths := make([]int, len(t.columns))
	for _, row := range grid {
		for i, cell := range row {
			for _, line := range cell {
				widths[i] = max(widths[i], utf8.RuneCountInString(line))
			}
		}
	}
	return widths
}

// line writes one row, which is as high as its highest cell.
func (t *table) line(w io.Writer, row [][]string, widths []int) {
	height := len(slices.MaxFunc(row, func(a, b []string) int { return len(a) - len(b) }))
	for n := range height {
		fmt.Fprint(w, "|")
		for i, cell := range row {
			text := ""
			if n < len(cell) {
				text = cell[n]
			}
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if t.columns[i].right {
				fmt.Fprintf(w, " %s%s |", blanks, text)
			} else {
				fmt.Fprintf(w, " %s%s |", text, blanks)
			}
		}
		fmt.Fprintln(w)
	}
}

// overwrite lays text over a line from its second column on.
func overwrite(line, text string) string {
	runes := []rune(line)
	if len(runes) > 1 {
		copy(runes[1:], []rune(text))
	}
	return string(runes)
}
