package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/orbit-pxe/orbit/initramfs/archive"
	"github.com/orbit-pxe/orbit/initramfs/manifest"
	"github.com/orbit-pxe/orbit/initramfs/uki"
)

// standalone are the commands that also come as programs of their own, for
// any Linux on x86-64: to rejoin from, to write disks with, and to be the head.
var standalone = []string{"orbit", "imagenode", "savenode", "inventory", "orbitd"}

type artifactsOptions struct{ dir, kernel, stub, cmdline string }

// artifacts fills a directory with all that a node can be booted from:
//
//	vmlinuz initramfs    for PXE, iPXE, HTTP boot, kexec
//	orbit.efi            both in one EFI program
//	orbit ...            standalone commands
//	manifest.json        what all this is
//	SHA256SUMS           of everything above
func (b *builder) artifacts(ctx context.Context, stdout io.Writer, o artifactsOptions) error {
	if o.kernel == "" {
		return fmt.Errorf("no kernel: pass -kernel out/vmlinuz (go run ./kernel -o out/vmlinuz builds it)")
	}
	kernel, err := os.ReadFile(o.kernel)
	if err != nil {
		return err
	}
	release, err := manifest.KernelRelease(kernel)
	if err != nil {
		return fmt.Errorf("%s: %w", o.kernel, err)
	}
	if err := b.initramfs(ctx, filepath.Join(o.dir, "initramfs")); err != nil {
		return err
	}
	if err := b.replace(filepath.Join(o.dir, "vmlinuz"), kernel); err != nil {
		return err
	}
	if err := b.efiImage(o, kernel, release); err != nil {
		return err
	}
	for _, name := range standalone {
		if err := b.standalone(ctx, filepath.Join(o.dir, name), "./cmds/"+name); err != nil {
			return err
		}
	}
	files := slices.Concat([]string{"vmlinuz", "initramfs", "orbit.efi"}, standalone)
	m := manifest.Manifest{
		Version: b.source.version, Commit: b.source.commit, Built: b.source.built,
		Kernel: release, Cmdline: o.cmdline,
	}
	if err := m.Describe(o.dir, "initramfs", files); err != nil {
		return err
	}
	return b.publish(stdout, o.dir, m, append(files, "manifest.json"))
}

// efiImage joins kernel and initramfs.
func (b *builder) efiImage(o artifactsOptions, kernel []byte, release string) error {
	stub, err := os.ReadFile(o.stub)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w (install systemd-boot-efi, or name a stub with -stub)", err)
	}
	if err != nil {
		return err
	}
	initramfs, err := os.ReadFile(filepath.Join(o.dir, "initramfs"))
	if err != nil {
		return err
	}
	image, err := uki.Build(stub,
		uki.Section{Name: uki.OSRel, Data: archive.OSRelease(b.source.version, b.source.commit)},
		uki.Section{Name: uki.Uname, Data: []byte(release)},
		uki.Section{Name: uki.Cmdline, Data: []byte(o.cmdline)},
		uki.Section{Name: uki.Linux, Data: kernel},
		uki.Section{Name: uki.Initrd, Data: initramfs},
	)
	if err != nil {
		return fmt.Errorf("make the EFI image from %s: %w", o.stub, err)
	}
	return b.replace(filepath.Join(o.dir, "orbit.efi"), image)
}

// standalone builds one command as a program of its own.
func (b *builder) standalone(ctx context.Context, output, pkg string) error {
	stamp := filepath.Join(b.source.root, generated, filepath.Base(output)+".stamp")
	inputs, err := b.source.hash(ctx, pkg)
	if err != nil {
		return err
	}
	if upToDate(stamp, inputs, output) {
		return nil
	}
	if err := b.busybox(b.list).Go(ctx, output, pkg); err != nil {
		return err
	}
	return recordInputs(stamp, inputs, output)
}

// publish writes the descriptions and prints what there is.
func (b *builder) publish(stdout io.Writer, dir string, m manifest.Manifest, files []string) error {
	description, err := m.JSON()
	if err != nil {
		return err
	}
	if err := b.replace(filepath.Join(dir, "manifest.json"), description); err != nil {
		return err
	}
	sums, err := manifest.Sums(dir, files)
	if err != nil {
		return err
	}
	if err := b.replace(filepath.Join(dir, "SHA256SUMS"), sums); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Orbit %s, Linux %s, %d commands, %s\n", m.Version, m.Kernel, len(m.Commands), m.Go)
	for _, f := range m.Files {
		fmt.Fprintf(stdout, "%11d  %s\n", f.Size, filepath.Join(dir, f.Name))
	}
	fmt.Fprintf(stdout, "%11d  the initramfs, unpacked\n", m.Unpacked)
	return nil
}

// replace writes a file unless it is already what it should be: its time of
// change then says when it last changed.
func (b *builder) replace(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	return writeFile(path, data, 0o644)
}
