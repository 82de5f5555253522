package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Decode reads a document, numbers in it as json.Number. Errors tell what it is
// instead.
func Decode(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var document map[string]any
	if err := d.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("it ends too early: not the whole of an inventory")
		}
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the inventory (want one document)")
	}
	schema, _ := document["schema"].(string)
	if family, _, _ := strings.Cut(hardware.Schema, "/"); !strings.HasPrefix(schema, family+"/") {
		return nil, errors.New("it is no inventory (want what inventory --json prints)")
	}
	if schema != hardware.Schema {
		return nil, fmt.Errorf("it is an inventory of version %s, this program reads %s", schema, hardware.Schema)
	}
	return document, nil
}
