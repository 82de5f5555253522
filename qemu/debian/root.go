package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// builder makes one image in a work directory.
type builder struct {
	*recipe
	work   string
	output io.Writer // of the programs it runs
}

// run runs a program; its own words explain a failure best.
func (b *builder) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = b.output, b.output
	cmd.Env = append(append(os.Environ(), "RECIPE="+b.work), b.environment()...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// root makes the root file system as a tar archive.
func (b *builder) root(ctx context.Context, tar string) error {
	customize, err := b.script("customize.sh")
	if err != nil {
		return err
	}
	if _, err := b.script("initramfs-modules"); err != nil {
		return err
	}
	args := []string{"--variant=minbase", "--mode=auto", "--include=" + strings.Join(b.packages, ",")}
	for _, pattern := range b.exclude {
		args = append(args, "--dpkgopt=path-exclude="+pattern)
	}
	args = append(args, "--customize-hook="+customize, suite, tar)
	entries, err := hostSources("/etc/apt")
	if err != nil {
		return fmt.Errorf("read this machine's apt sources: %w", err)
	}
	for i, entry := range entries {
		// mmdebstrap tells the formats apart by content, file by file.
		path := filepath.Join(b.work, fmt.Sprintf("sources.%d", i))
		if err := os.WriteFile(path, []byte(entry), 0o644); err != nil {
			return err
		}
		args = append(args, path)
	}
	if err := b.run(ctx, "mmdebstrap", args...); err != nil {
		return fmt.Errorf("make Debian's root file system: %w", err)
	}
	return nil
}

// packRoot puts the archive's tree into the disk's root partition.
func (b *builder) packRoot(ctx context.Context, tar, disk string) error {
	pack, err := b.script("pack.sh")
	if err != nil {
		return err
	}
	command := []string{"sh", pack, tar, disk, strconv.Itoa(rootStart), strconv.Itoa((rootEnd - rootStart) / 4096),
		strings.ToLower(b.rootUUID.String()), b.work}
	if os.Geteuid() != 0 {
		// Owners other than our own exist only in a user namespace with the
		// ids that /etc/subuid grants, as mmdebstrap itself needs.
		command = append([]string{"unshare", "--user", "--map-auto", "--map-root-user", "--"}, command...)
	}
	if err := b.run(ctx, command[0], command[1:]...); err != nil {
		return fmt.Errorf("make the root file system's partition: %w", err)
	}
	return nil
}

// script puts one of the recipe's files where programs find it.
func (b *builder) script(name string) (string, error) {
	text, err := recipeFS.ReadFile("recipe/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.work, name)
	return path, os.WriteFile(path, text, 0o755)
}
