package hardware

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
)

// Bounds of what a node may send. Inventories have a depth of 7 and, of the
// largest machines, 256 KB and 20,000 values.
const (
	MaxSize   = 1 << 20 // bytes
	maxDepth  = 16
	maxValues = 100_000
)

// DocumentError says why something is not an inventory that can be kept. It is
// the sender's error.
type DocumentError struct{ Err error }

func (e *DocumentError) Error() string { return "inventory not taken: " + e.Err.Error() }
func (e *DocumentError) Unwrap() error { return e.Err }

// read checks an inventory and decodes it.
func read(text []byte) (map[string]any, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), MaxSize)
	}
	if err := bound(text); err != nil {
		return nil, err
	}
	return diff.Decode(text)
}

// bound refuses what would take more memory than any machine's description.
func bound(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth, values := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
		values++
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth || values > maxValues {
			return fmt.Errorf("it is nested deeper than %d, or has more than %d values", maxDepth, maxValues)
		}
	}
}

// Typed is a document as package hardware knows it, as far as it does: fields
// of newer nodes, and those of another type, are left out.
func Typed(document map[string]any) (d hardware.Document) {
	text, err := json.Marshal(document)
	if err != nil {
		return d
	}
	var other *json.UnmarshalTypeError
	if err := json.Unmarshal(text, &d); err != nil && !errors.As(err, &other) {
		return hardware.Document{}
	}
	return d
}

// words are the texts of a document's list.
func words(list any) (found []string) {
	members, _ := list.([]any)
	for _, m := range members {
		if s, ok := m.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

// at goes to a field by the names of objects.
func at(document map[string]any, path string) any {
	var value any = document
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func text(document map[string]any, path string) string {
	s, _ := at(document, path).(string)
	return s
}

// objects are the members of a document's list that are objects.
func objects(list any) (found []map[string]any) {
	members, _ := list.([]any)
	for _, m := range members {
		if object, ok := m.(map[string]any); ok {
			found = append(found, object)
		}
	}
	return found
}
