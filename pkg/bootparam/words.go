package bootparam

import "strings"

// Words splits a command line at white space outside double quotes. Quotes
// stay in the words.
func Words(line string) []string {
	var words []string
	start, quoted := -1, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		space := c == ' ' || c == '\t' || c == '\n' || c == '\r'
		switch {
		case space && !quoted:
			if start >= 0 {
				words = append(words, line[start:i])
			}
			start = -1
			continue
		case c == '"':
			quoted = !quoted
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		words = append(words, line[start:])
	}
	return words
}

// cut takes a word apart; the quotes around the word or its value go.
func cut(word string) (name, value string) {
	if len(word) >= 2 && word[0] == '"' {
		word = strings.TrimSuffix(word[1:], `"`)
	}
	name, value, _ = strings.Cut(word, "=")
	if len(value) >= 1 && value[0] == '"' {
		value = strings.TrimSuffix(value[1:], `"`)
	}
	return name, value
}

// join is the inverse of cut. A double quote cannot be said on a kernel
// command line, so it is left out.
func join(name, value string) string {
	value = strings.ReplaceAll(value, `"`, "")
	if strings.ContainsAny(value, " \t\r\n") {
		value = `"` + value + `"`
	}
	return name + "=" + value
}

// canonical makes the two spellings of a name one.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }
