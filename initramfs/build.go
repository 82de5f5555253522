package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orbit-pxe/orbit/initramfs/archive"
	"github.com/orbit-pxe/orbit/initramfs/busybox"
)

// generated is where the rewritten commands and intermediate results are
// kept. The underscore hides it from ./... patterns.
const generated = "initramfs/_bb"

// builder builds from one source.
type builder struct {
	log      *slog.Logger
	commands string     // path of the list
	add      []addition // further files
	source   source
	list     busybox.List
}

type addition struct{ src, dest string }

func (b *builder) addFlag(s string) error {
	src, dest, ok := strings.Cut(s, ":")
	if !ok || src == "" || dest == "" {
		return fmt.Errorf("want SRC:DEST")
	}
	b.add = append(b.add, addition{src, dest})
	return nil
}

func (b *builder) prepare(ctx context.Context) error {
	var err error
	if b.source, err = findSource(ctx); err != nil {
		return err
	}
	if b.commands == "" {
		b.commands = filepath.Join(b.source.root, "initramfs/commands")
	}
	f, err := os.Open(b.commands)
	if err != nil {
		return err
	}
	defer f.Close()
	if b.list, err = busybox.ParseList(f); err != nil {
		return fmt.Errorf("%s: %w", b.commands, err)
	}
	return nil
}

// initramfs builds the binary, lays out the tree, packs it and writes output.
func (b *builder) initramfs(ctx context.Context, output string) error {
	unlock, err := b.lock()
	if err != nil {
		return err
	}
	defer unlock()
	inputs, err := b.inputs(ctx)
	if err != nil {
		return err
	}
	stamp := filepath.Join(b.source.root, generated, "stamp")
	if upToDate(stamp, inputs, output) {
		b.log.Info("unchanged", "file", output)
		return nil
	}
	start := time.Now()
	binary := filepath.Join(b.source.root, generated, "bb")
	if err := b.busybox(b.list).Run(ctx, binary); err != nil {
		return err
	}
	tree, err := b.tree(binary)
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if _, err := tree.WriteTo(&raw); err != nil {
		return err
	}
	packed, err := archive.Compress(ctx, raw.Bytes())
	if err != nil {
		return err
	}
	if err := writeFile(output, packed, 0o644); err != nil {
		return err
	}
	b.log.Info("built", "file", output, "unpacked", raw.Len(), "bytes", len(packed), "seconds", int(time.Since(start).Seconds()))
	return recordInputs(stamp, inputs, output)
}

// tree is the content of the initramfs, around the binary.
func (b *builder) tree(binary string) (*archive.Tree, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	tree, err := archive.Layout(archive.Content{
		Binary:  data,
		Names:   b.list.Names(),
		Files:   os.DirFS(filepath.Join(b.source.root, "initramfs/files")),
		Version: b.source.version,
		Commit:  b.source.commit,
	})
	if err != nil {
		return nil, err
	}
	for _, a := range b.add {
		if err := tree.PutPath(a.src, a.dest); err != nil {
			return nil, fmt.Errorf("add %s: %w", a.src, err)
		}
	}
	return tree, nil
}

func (b *builder) busybox(list busybox.List) busybox.Build {
	return busybox.Build{
		Root:   b.source.root,
		Module: b.source.module,
		Dir:    generated,
		List:   list,
		// HTTP/2 is a tenth of a megabyte, and nothing that a node asks needs it.
		Tags:    []string{"node", "nethttpomithttp2"},
		Stamp:   b.source.stamp(),
		Inlined: b.inlined(),
	}
}

// inlined are the packages that bytes of images pass through.
func (b *builder) inlined() []string {
	all := []string{"github.com/klauspost/compress/...", "github.com/zeebo/blake3/...", "compress/...", "hash/..."}
	for _, p := range []string{"frisbee", "image", "ndz", "stream", "xxhash"} {
		all = append(all, b.source.module+"/pkg/"+p+"/...")
	}
	return all
}

// lock keeps two builds of one checkout apart.
func (b *builder) lock() (unlock func(), err error) {
	dir := filepath.Join(b.source.root, generated)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
