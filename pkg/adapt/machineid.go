package adapt

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// newMachineID makes what machine-id(5) describes: 128 random bits in
// hexadecimal, which systemd marks as a version 4 UUID.
func newMachineID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails, see package crypto/rand
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	return hex.EncodeToString(id[:])
}

// setMachineID gives the system an identity of its own. D-Bus had its own copy
// once; a link keeps it from being another. The seed of the random number
// generator is one machine's, too.
func setMachineID(t *tree, id string) error {
	if err := t.write("etc/machine-id", strings.NewReader(id+"\n"), attr{mode: 0o444}); err != nil {
		return err
	}
	const bus = "var/lib/dbus/machine-id"
	real, err := t.resolve(bus, false)
	if err != nil {
		return err
	}
	st, err := t.lstat(real)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if is(st, unix.S_IFREG) {
		if err := t.symlink(bus, "/etc/machine-id", attr{}); err != nil {
			return err
		}
	}
	return t.remove("var/lib/systemd/random-seed")
}
