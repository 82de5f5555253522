// Command initramfs builds what a node boots, apart from the kernel.
//
//	go run ./initramfs -o out/initramfs                builds the initramfs
//	go run ./initramfs artifacts -kernel FILE -o out   builds everything in out/
//	go run ./initramfs sizes                           what each command costs
//
// docs/initramfs.md describes the result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "initramfs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	verb := "initramfs"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		verb, args = args[0], args[1:]
	}
	b := builder{log: slog.New(slog.NewTextHandler(stderr, nil))}
	flags := flag.NewFlagSet("initramfs "+verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&b.commands, "commands", "", "`file` with the list of commands (default initramfs/commands)")
	flags.Func("add", "add the file or directory `SRC:DEST` to the initramfs: -add site/firmware:/lib/firmware; may be repeated", b.addFlag)
	out := flags.String("o", "", "where the result goes: a `file`, for artifacts a directory")
	kernel := flags.String("kernel", "", "artifacts: the kernel, a bzImage `file`")
	stub := flags.String("stub", "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", "artifacts: systemd's EFI stub, a `file` of Debian's systemd-boot-efi")
	cmdline := flags.String("cmdline", "console=tty0 console=ttyS0,115200", "artifacts: the command line inside the EFI image")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (see -h)", flags.Arg(0))
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	switch verb {
	case "initramfs":
		return b.initramfs(ctx, orDefault(*out, "out/initramfs"))
	case "artifacts":
		return b.artifacts(ctx, stdout, artifactsOptions{
			dir: orDefault(*out, "out"), kernel: *kernel, stub: *stub, cmdline: *cmdline,
		})
	case "sizes":
		return b.sizes(ctx, stdout)
	}
	return fmt.Errorf("unknown verb %q: there are initramfs (the default), artifacts and sizes", verb)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
