package grub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// envHeader begins every environment block (grub-editenv).
const envHeader = "# GRUB Environment Block\n"

// DecodeEnv reads a grubenv file: NAME=VALUE lines behind the header, filled
// up with "#". In values a backslash escapes itself and a newline.
func DecodeEnv(b []byte) (map[string]string, error) {
	s, ok := strings.CutPrefix(string(b), envHeader)
	if !ok {
		return nil, errors.New("not a GRUB environment block (header missing)")
	}
	vars := map[string]string{}
	for s != "" {
		if s[0] == '#' { // padding, or a comment of newer versions
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		name, rest, ok := strings.Cut(s, "=")
		if !ok || strings.ContainsAny(name, "\n") {
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		var value strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != '\n'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			value.WriteByte(rest[i])
		}
		vars[name] = value.String()
		s = rest[min(i+1, len(rest)):]
	}
	return vars, nil
}

// loadEnv is the command: all variables of the block, or those named.
func loadEnv(e *evaluator, args []string, c invocation) (int, error) {
	file := e.prefixed("grubenv")
	var only []string
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch {
		case name == "-f" || name == "--file":
			if !inline && i+1 < len(args) {
				i++
				value = args[i]
			}
			file = value
		case strings.HasPrefix(name, "-"):
		default:
			only = append(only, args[i])
		}
	}
	vars, err := e.readEnv(file)
	if errors.Is(err, ErrLimit) {
		return 1, err
	}
	if err != nil {
		e.note("line %d: load_env: %v", c.line, err)
		return 1, nil
	}
	for name, value := range vars {
		if len(only) == 0 || slices.Contains(only, name) {
			e.set(name, value)
		}
	}
	return 0, nil
}

func (e *evaluator) readEnv(name string) (map[string]string, error) {
	f, err := e.locate(name)
	if err != nil {
		return nil, err
	}
	b, err := e.read(f)
	if err != nil {
		return nil, err
	}
	vars, err := DecodeEnv(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f, err)
	}
	return vars, nil
}
