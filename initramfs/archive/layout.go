package archive

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/orbit-pxe/orbit/initramfs/cpio"
)

// Content is what an initramfs is made of.
type Content struct {
	Binary  []byte   // the one binary
	Names   []string // what it answers to
	Files   fs.FS    // initramfs/files: copied to /
	Version string
	Commit  string
}

// Layout builds the tree that the node starts with:
//
//	/init          -> bbin/bb, started by the kernel
//	/bbin/bb       the binary
//	/bbin/NAME     -> bb, for each of its names
//	/bin, /sbin    -> bbin
//	/dev           console and null, needed before devtmpfs is mounted over it
//	/etc           accounts, hosts, os-release, CA certificates; no resolv.conf:
//	               the network configuration writes it
//	/proc /sys /run /tmp /mnt /root   to be mounted or filled
func Layout(c Content) (*Tree, error) {
	t := &Tree{}
	t.Put(
		cpio.Dir("dev", 0o755),
		cpio.CharDevice("dev/console", 0o600, 5, 1),
		cpio.CharDevice("dev/null", 0o666, 1, 3),
		cpio.Dir("mnt", 0o755),
		cpio.Dir("proc", 0o555),
		cpio.Dir("root", 0o700),
		cpio.Dir("run", 0o755),
		cpio.Dir("sys", 0o555),
		cpio.Dir("tmp", 0o1777),
		cpio.Link("bin", "bbin"),
		cpio.Link("sbin", "bbin"),
		cpio.Link("init", "bbin/bb"),
		cpio.File("bbin/bb", 0o755, c.Binary),
		cpio.Link("etc/mtab", "../proc/self/mounts"),
		cpio.File("etc/os-release", 0o644, OSRelease(c.Version, c.Commit)),
		cpio.File("etc/ssl/certs/ca-certificates.crt", 0o644, roots()),
	)
	for _, name := range c.Names {
		t.Put(cpio.Link(path.Join("bbin", name), "bb"))
	}
	if err := t.PutFS(c.Files, "."); err != nil {
		return nil, fmt.Errorf("add the files of /etc: %w", err)
	}
	return t, nil
}

// OSRelease is the content of /etc/os-release (os-release(5)) of the node,
// and of the section that tells boot loaders what an EFI image holds.
func OSRelease(version, commit string) []byte {
	return fmt.Appendf(nil, "ID=orbit\nNAME=Orbit\nPRETTY_NAME=%q\nVERSION_ID=%q\nBUILD_ID=%q\n",
		"Orbit "+version, version, commit)
}
