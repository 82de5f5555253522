//go:build !node

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/imaging/imagefile"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/seal"
)

// ndzFlags adds the flags that say how an .ndz image is read.
func ndzFlags(f *flag.FlagSet) *ndz.Options {
	keys := &seal.Keys{}
	o := &ndz.Options{Seal: keys}
	f.Func("ndz-key", "`FILE` of the signer (.skey) or of the cipher (.ekey) of an .ndz image (again for the other)", func(path string) error {
		return addNdzKey(keys, path)
	})
	f.Func("ndz-at", "`START+COUNT` in sectors of the partition that an .ndz image of a partition is for (default: addresses in boot loaders stay)", func(s string) (err error) {
		o.Target, err = parseTarget(s)
		return err
	})
	return o
}

// addNdzKey reads a key: which of the two it is shows. No error tells what is in
// the file.
func addNdzKey(k *seal.Keys, path string) error {
	text, err := readSmall(path)
	if err != nil {
		return err
	}
	if len(bytes.Fields(text)) > 1 {
		if k.Signer != nil {
			return errors.New("there is a signer's key already")
		}
		k.Signer, err = seal.ParseSigner(text)
	} else {
		if k.Cipher != nil {
			return errors.New("there is a cipher's key already")
		}
		k.Cipher, err = seal.ParseCipher(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func parseTarget(s string) (t ndz.Target, err error) {
	start, count, _ := strings.Cut(s, "+")
	if t.Start, err = strconv.ParseUint(start, 10, 48); err == nil {
		t.Sectors, err = strconv.ParseUint(count, 10, 48)
	}
	if err != nil || t.Sectors == 0 {
		return t, errors.New("want START+COUNT, such as 2048+6291456")
	}
	return t, nil
}

// parseID reads an image id, with dashes as a UUID has them or without.
func parseID(s string) (id [16]byte, err error) {
	s = strings.ReplaceAll(s, "-", "")
	if n, err := hex.Decode(id[:], []byte(s[:min(len(s), 32)])); err != nil || n != len(id) || len(s) != 32 {
		return id, errors.New("want 32 hexadecimal digits, or a UUID")
	}
	return id, nil
}

// imageCode gives an error about an image its exit code.
func imageCode(err error) error {
	var trust *imagefile.TrustError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &trust), errors.Is(err, ndz.ErrSeal):
		return &exit{exitTrust, err}
	case imagefile.IsDamaged(err):
		return &exit{exitDamaged, err}
	}
	return err
}
