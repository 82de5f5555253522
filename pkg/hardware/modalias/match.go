package modalias

// Match tells whether a pattern of modules.alias fits an alias. Patterns are
// those of fnmatch(3) without flags: *, ?, [a-z], [!a-z] and backslashes.
func Match(pattern, alias string) bool {
	p, a := 0, 0
	star, mark := -1, 0 // where to go on when what follows a star does not fit
	for a < len(alias) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, mark = p, a
				p++
				continue
			}
			if width, fits := one(pattern[p:], alias[a]); fits {
				p += width
				a++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, a = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches what a pattern begins with, which is not a star, and says how much
// of the pattern that is.
func one(pattern string, c byte) (width int, fits bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	case '[':
		if width, fits := class(pattern, c); width > 0 {
			return width, fits
		}
	}
	return 1, pattern[0] == c
}

// class matches a list in brackets; its width is 0 if it has no end, which makes
// the bracket an ordinary character.
func class(pattern string, c byte) (width int, fits bool) {
	i := 1
	not := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if not {
		i++
	}
	for first := i; i < len(pattern); i++ {
		if pattern[i] == ']' && i > first {
			return i + 1, fits != not
		}
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		fits = fits || low <= c && c <= high
	}
	return 0, false
}

// literal is how much of a pattern stands for itself, from its beginning, and
// how many of all its characters do: the more, the closer it describes a device.
func literal(pattern string) (prefix, all int) {
	prefix = -1
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[', '\\':
			if prefix < 0 {
				prefix = i
			}
		default:
			all++
		}
	}
	if prefix < 0 {
		prefix = len(pattern)
	}
	return prefix, all
}
