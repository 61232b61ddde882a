package ctl

import (
	"fmt"
	"strings"
)

// unifiedDiff is what changed from one text to the other, with three lines
// around each change.
func unifiedDiff(before, after string) string {
	const context = 3
	edits := lineEdits(lines(before), lines(after))
	var out strings.Builder
	out.WriteString("--- \n+++ \n")
	for i := 0; i < len(edits); {
		if edits[i].kind == ' ' {
			i++
			continue
		}
		first, last := max(0, i-context), i
		for j := i; j < len(edits) && j <= last+2*context+1; j++ {
			if edits[j].kind != ' ' {
				last = j
			}
		}
		end := min(len(edits), last+context+1)
		writeHunk(&out, edits[first:end])
		i = end
	}
	return out.String()
}

// lineEdit is one line that stays, goes (-) or comes (+), with its number before
// and after, from 1.
type lineEdit struct {
	kind      byte
	text      string
	old, next int
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// lineEdits keeps the longest common subsequence of both.
func lineEdits(a, b []string) []lineEdit {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var edits []lineEdit
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, lineEdit{' ', a[i], i + 1, j + 1})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			edits = append(edits, lineEdit{'-', a[i], i + 1, j + 1})
			i++
		default:
			edits = append(edits, lineEdit{'+', b[j], i + 1, j + 1})
			j++
		}
	}
	return edits
}

func writeHunk(out *strings.Builder, edits []lineEdit) {
	gone, come := 0, 0
	for _, e := range edits {
		if e.kind != '+' {
			gone++
		}
		if e.kind != '-' {
			come++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(edits[0].old, gone), span(edits[0].next, come))
	for _, e := range edits {
		fmt.Fprintf(out, "%c%s\n", e.kind, e.text)
	}
}

// span is where a hunk begins and how many lines it has.
func span(first, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", first-1)
	case 1:
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d,%d", first, count)
}
