package postgres

import (
	"errors"
	"strings"
)

// splitWords splits a configured command into words as a shell would, without
// any expansion: blanks separate, single quotes keep everything, double quotes
// keep all but a backslash before one of "\$`, a backslash keeps the next byte.
func splitWords(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote byte
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			word.WriteByte(c)
		case c == '\\' && i+1 == len(command):
			return nil, errors.New("ends with a backslash")
		case c == '\\':
			i++
			if quote == '"' && !strings.ContainsRune("\"\\$`", rune(command[i])) {
				word.WriteByte('\\')
			}
			word.WriteByte(command[i])
			inWord = true
		case quote != 0:
			quote = 0
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("has a quote that isn't closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("is empty")
	}
	return words, nil
}
