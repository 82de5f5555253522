package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/sign"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

func inspectVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := imageFlags(stdout, "inspect", "[--json | --root] IMAGE",
		"Tells what an image holds. Only its index is read, which is checked; verify reads all of it.")
	asJSON := f.Bool("json", false, "as JSON")
	more := moreInspectFlags(f)
	root := f.Bool("root", false, "print the one line that a signature signs: ... | minisign -S -m /dev/stdin")
	rest, err := parseArgs(f, args, "one IMAGE")
	if err != nil {
		return err
	}
	file, err := openImage(ctx, rest[0])
	if errors.Is(err, image.ErrNoIndex) && !*root {
		if known, err := more.inspect(ctx, stdout, rest[0], *asJSON); known || err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	defer file.Close()
	switch {
	case *root && *asJSON:
		return usage("--json and --root exclude each other")
	case *root:
		_, err := stdout.Write(image.Signed(file.Root()))
		return err
	case *asJSON:
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(describe(file))
	}
	return printImage(stdout, describe(file))
}

// imageFile is an image that is read by ranges.
type imageFile struct {
	image.File
	ranges *transfer.Ranges
}

func (f *imageFile) Close() error { return f.ranges.Close() }

// openImage reads the index of an image.
func openImage(ctx context.Context, source string) (*imageFile, error) {
	r, err := transfer.OpenRanges(ctx, source, transfer.Options{Patience: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	f, err := image.Open(r.ReaderAt(ctx), r.Size())
	if err != nil {
		r.Close()
		err = fmt.Errorf("%s: %w", r.Name(), err)
		if image.IsDamaged(err) {
			err = &exit{exitDamaged, err}
		}
		return nil, err
	}
	return &imageFile{f, r}, nil
}

// description is what inspect tells, and its JSON.
type description struct {
	File      string     `json:"file"`
	Stored    int64      `json:"stored"` // bytes of the file
	Size      int64      `json:"size"`   // bytes of the disk
	Sector    int        `json:"sector"` // bytes
	Used      int64      `json:"used"`   // bytes of the disk
	Data      int64      `json:"data"`   // bytes of the spans that are stored
	Partial   bool       `json:"partial,omitempty"`
	Root      string     `json:"root"`
	Signature *signature `json:"signature,omitempty"`
	image.Meta
}

type signature struct {
	Key   string `json:"key,omitempty"`   // id of the key, as the signature says
	Error string `json:"error,omitempty"` // why it is none
}

func describe(f *imageFile) description {
	d := description{
		File: f.ranges.Name(), Stored: f.ranges.Size(), Size: f.Size, Sector: f.Sector, Used: f.Used.Len(),
		Partial: f.Partial(), Root: f.Root().String(), Meta: f.Meta,
	}
	for _, frame := range f.Frames() {
		if frame.Kind == image.Data {
			d.Data += f.Range(frame).Len()
		}
	}
	if f.Signature != nil {
		d.Signature = signedBy(f.Signature)
	}
	return d
}

// signedBy reads which key a signature says it was made with.
func signedBy(sig []byte) *signature {
	id, err := sign.SignerOf(sig)
	if err != nil {
		return &signature{Error: err.Error()}
	}
	return &signature{Key: id.String()}
}
