package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	"github.com/orbit-pxe/orbit/pkg/hardware/report"
)

// maxFile is more than any inventory has, bytes.
const maxFile = 16 << 20

// compare tells what is different from an older inventory.
func compare(ctx context.Context, o *order, stdin io.Reader, stdout io.Writer) error {
	old, err := read(o.old, stdin)
	if err != nil {
		return &exit{exitTrouble, err}
	}
	if o.Only == nil { // what the old one has not there is no need to gather
		list, _ := old["only"].([]any)
		for _, section := range list {
			name, _ := section.(string)
			o.Only = append(o.Only, name)
		}
	}
	new, err := now(ctx, o, stdin)
	if err != nil {
		return &exit{exitTrouble, err}
	}
	r := diff.Compare(old, new)
	if o.json {
		err = encode(stdout, r)
	} else {
		err = tell(stdout, r)
	}
	switch {
	case err != nil:
		return &exit{exitTrouble, err}
	case len(r.Changes) > 0:
		return &exit{code: 1}
	case len(r.Unknown) > 0:
		return &exit{code: exitTrouble}
	}
	return nil
}

// now is the inventory to compare with the old one.
func now(ctx context.Context, o *order, stdin io.Reader) (map[string]any, error) {
	if o.new != "" {
		return read(o.new, stdin)
	}
	d, err := gather(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return diff.Decode(text)
}

func read(path string, stdin io.Reader) (map[string]any, error) {
	r := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("it is longer than any inventory")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	d, err := diff.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return d, nil
}

// tell prints one line for each difference.
func tell(w io.Writer, r diff.Result) error {
	var err error
	for _, c := range r.Changes {
		_, e := fmt.Fprintln(w, report.Clean(c.String()))
		err = errors.Join(err, e)
	}
	for _, u := range r.Unknown {
		_, e := fmt.Fprintln(w, report.Clean(u.String()))
		err = errors.Join(err, e)
	}
	return err
}
