//go:build !node

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging/imagefile"
	"github.com/orbit-pxe/orbit/pkg/sign"
	"github.com/orbit-pxe/orbit/pkg/sign/secret"
)

func signVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := imageFlags(stdout, "sign", "--key SECRET [flags] IMAGE", "Puts a signature of an image's root into the image, in place of one that is there. The key is\n"+
		"one that orbit image keygen or minisign -G made. A signature that minisign made elsewhere is put in with\n"+
		"--signature: orbit image inspect --root IMAGE | minisign -S -m /dev/stdin -x FILE")
	keyFile := f.String("key", "", "secret key `FILE`")
	passwordFile := f.String("password-file", "", "`FILE` whose first line is the password of the key (default: it is asked for)")
	comment := f.String("comment", "", "`TEXT` that is signed, too (default: time and name)")
	signatureFile := f.String("signature", "", "`FILE` that minisign has written, instead of --key")
	rest, err := parseArgs(f, args, "one IMAGE")
	switch {
	case err != nil:
		return err
	case (*keyFile == "") == (*signatureFile == ""):
		return usage("want --key or --signature")
	case *signatureFile != "" && (*comment != "" || *passwordFile != ""):
		return usage("--signature is made already: no comment, no password")
	}
	signer := func(*image.Index) ([]byte, error) { return readSmall(*signatureFile) }
	if *keyFile != "" {
		key, err := openKey(*keyFile, *passwordFile)
		if err != nil {
			return err
		}
		if *comment == "" {
			*comment = fmt.Sprintf("timestamp:%d\tfile:%s", time.Now().Unix(), clean(filepath.Base(rest[0])))
		}
		signer = func(x *image.Index) ([]byte, error) { return key.Sign(image.Signed(x.Root()), *comment) }
	}
	x, err := imagefile.Embed(ctx, rest[0], signer)
	if image.IsDamaged(err) {
		return &exit{exitDamaged, err}
	}
	if err != nil {
		return err
	}
	id, err := sign.SignerOf(x.Signature)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is signed by key %s, root %s\n", clean(rest[0]), id, x.Root())
	return err
}

// openKey reads a secret key, and asks for its password if it has one.
func openKey(path, passwordFile string) (secret.Key, error) {
	text, err := readSmall(path)
	if err != nil {
		return secret.Key{}, err
	}
	encrypted, err := secret.Encrypted(string(text))
	if err != nil {
		return secret.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	var password []byte
	if encrypted {
		if password, err = readPassword(passwordFile, "Password of "+path+": "); err != nil {
			return secret.Key{}, err
		}
	}
	key, err := secret.Parse(string(text), password)
	if err != nil {
		return key, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func keygenVerb(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := imageFlags(stdout, "keygen", "[flags] NAME", "Makes NAME.key, which is secret and signs images, and NAME.pub, which verifies them: imagenode --key NAME.pub.\n"+
		"Both are as minisign's. The secret key is encrypted with a password.")
	passwordFile := f.String("password-file", "", "`FILE` whose first line is the password (default: it is asked for)")
	open := f.Bool("W", false, "no password: whoever reads NAME.key can sign")
	rest, err := parseArgs(f, args, "one NAME")
	if err != nil {
		return err
	}
	if *open && *passwordFile != "" {
		return usage("-W and --password-file exclude each other")
	}
	files := []string{rest[0] + ".key", rest[0] + ".pub"}
	for _, path := range files {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is there already, and is not replaced: what it has signed could not be verified any more", path)
		}
	}
	var password []byte
	if !*open {
		if password, err = newPassword(*passwordFile); err != nil {
			return err
		}
	}
	key, err := secret.Generate(rand.Reader)
	if err != nil {
		return err
	}
	text, err := key.File(rand.Reader, password, secret.Sensitive())
	if err != nil {
		return err
	}
	if err := errors.Join(writeNew(files[0], text, 0o600), writeNew(files[1], key.Public().File(), 0o644)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s  secret, keep it\n%s  verifies: imagenode --key %s\n\nkey %s: %s\n", files[0], files[1], files[1], key.Public().ID, key.Public())
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// readSmall reads a file of a key, a signature or a password.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 64 << 10
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if len(b) > most {
		return nil, fmt.Errorf("read %s: it is too long", path)
	}
	return b, err
}

// publicKey reads a public key, or the file that has one.
func publicKey(s string) (sign.PublicKey, error) {
	if k, err := sign.ParsePublicKey(s); err == nil {
		return k, nil
	}
	text, err := readSmall(s)
	if err != nil {
		return sign.PublicKey{}, err
	}
	k, err := sign.ParsePublicKey(string(text))
	if err != nil {
		return k, fmt.Errorf("%s: %w", s, err)
	}
	return k, nil
}
