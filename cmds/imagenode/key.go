package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/sign"
)

// trusted is where the initramfs of a site keeps the keys that every image must
// be signed with one of.
const trusted = "/etc/orbit/keys"

// addKey takes a public key, or a file that has one.
func (o *order) addKey(s string) error {
	text := s
	if b, err := os.ReadFile(s); err == nil {
		text = string(b)
	} else if !errors.Is(err, fs.ErrNotExist) || strings.ContainsAny(s, "/.") {
		return err
	}
	key, err := sign.ParsePublicKey(text)
	if err != nil {
		return fmt.Errorf("key %s: %w", s, err)
	}
	o.Keys = append(o.Keys, key)
	return nil
}

// addTrusted takes the keys that this system was built with. There is no flag
// to do without them.
func (o *order) addTrusted() error {
	files, err := filepath.Glob(trusted + "/*.pub")
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := o.addKey(f); err != nil {
			return err
		}
	}
	return nil
}
