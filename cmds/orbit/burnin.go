package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/burnin"
	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/storage"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/units"
)

const burninHelp = `Tries a machine hard: memory by patterns, processors by computations, disks by
reading all over them, the network by streams from and to a head. It ends in time,
leaves disks as they are unless --destructive, and its result is in the inventory.
Without flags for single tests there are all: memory, CPU, disks, and, where there
is a head, the network.
`

const burninCodes = `
Exit codes: 0 all tests passed; 1 a fault was found, or it could not be done; 2 wrong
usage; 3 refused, nothing was begun.
`

// exitRefused is the exit code where nothing was begun.
const exitRefused = 3

// trial is what the command line asks for.
type trial struct {
	api.BurninOptions
	stdout io.Writer
	here   bool
	head   string
	json   bool
	dryRun bool
	result string // file
	more   trialMore
}

func burninVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	t := &trial{stdout: stdout}
	names, err := t.parse(args)
	if err == nil && t.here {
		err = t.run(ctx)
	} else if err == nil {
		err = t.assign(ctx, names)
	}
	if err != nil {
		return fmt.Errorf("burnin: %w", err)
	}
	return nil
}

func (t *trial) parse(args []string) ([]string, error) {
	f := verbFlags(t.stdout, "burnin", burninArgs, burninHelp+moreBurninHelp+burninCodes)
	f.BoolVar(&t.here, "here", false, "try this machine")
	f.StringVar(&t.For, "for", "10m", "how `LONG` to try, in all: 30s, 10m, 24h")
	f.Func("memory", fmt.Sprintf("test memory: this `SHARE` of what is free, up to 0.95 (default, of all tests: %v)", api.DefaultMemory), func(s string) (err error) {
		if t.Memory, err = strconv.ParseFloat(s, 64); err == nil && t.Memory == 0 {
			err = errors.New("want more than 0")
		}
		t.add(api.MemoryTest)
		return err
	})
	for test, what := range map[string]string{
		api.CPUTest:     "test the processors",
		api.DiskTest:    "test the disks",
		api.NetworkTest: "test the network against the head",
	} {
		f.BoolFunc(test, what, func(string) error { t.add(test); return nil })
	}
	f.StringVar(&t.Destructive, "destructive", "", "write to `DISK`, too (a device, first, serial=S, ... or all): ALL THAT IS ON IT IS LOST")
	f.StringVar(&t.head, "head", "", "`URL` of the head"+headDefault)
	f.BoolVar(&t.json, "json", false, "print events and the result as JSON lines")
	f.BoolVar(&t.dryRun, "dry-run", false, "say what would be tried here, and stop")
	f.StringVar(&t.result, "result", hardware.BurninFile, "write the result into `FILE`, where the inventory finds it")
	t.more.flags(f)
	names, err := scatter(f, args)
	if err != nil {
		return nil, err
	}
	if t.here && (len(names) > 0 || t.more.chosen()) {
		return nil, usage("--here is for this machine, not for others")
	}
	if err := t.Validate(); err != nil {
		return nil, usage("%w", err)
	}
	return names, nil
}

func (t *trial) add(test string) {
	if !slices.Contains(t.Tests, test) {
		t.Tests = append(t.Tests, test)
	}
}

// run tries this machine.
func (t *trial) run(ctx context.Context) error {
	length, err := t.Length()
	if err != nil {
		return usage("%w", err)
	}
	if t.head == "" && (t.Tests == nil || slices.Contains(t.Tests, api.NetworkTest)) {
		line, _ := os.ReadFile("/proc/cmdline") // it is a node, then
		params, _ := bootparam.Parse(string(line))
		t.head = params.Head
	}
	o := burnin.Options{For: length, Tests: t.Tests, Memory: t.Memory, Head: t.head, Destructive: t.Destructive, Health: disksHealth}
	if t.dryRun {
		p, err := burnin.NewPlan(ctx, o)
		if err == nil {
			_, err = fmt.Fprint(t.stdout, p)
		}
		return burninCode(err)
	}
	// Should memory get short after all, this is what may go.
	os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	mode := progress.Auto
	if t.json {
		mode = progress.JSON
	}
	p := progress.New(t.stdout, mode)
	o.Events = p.Sink()
	b, err := burnin.Run(ctx, o)
	p.Close()
	if err != nil {
		return burninCode(err)
	}
	if t.json {
		err = json.NewEncoder(t.stdout).Encode(map[string]any{"receipt": b})
	} else {
		err = printBurnin(t.stdout, b)
	}
	err = errors.Join(err, saveBurnin(t.result, b))
	if f := burnin.Failure(b); f != "" {
		err = errors.Join(errors.New(f), err)
	}
	return err
}

// disksHealth asks the disks what they count.
func disksHealth(ctx context.Context) ([]hardware.Disk, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return storage.Disks(ctx, sysfs.Host{})
}

func burninCode(err error) error {
	var refused *burnin.RefusedError
	if errors.As(err, &refused) {
		return &exit{exitRefused, err}
	}
	return err
}

// saveBurnin writes a result. The file is there as a whole or not at all.
func saveBurnin(path string, b *hardware.Burnin) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// printBurnin prints a line for each test.
func printBurnin(w io.Writer, b *hardware.Burnin) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range b.Tests {
		word, r := "passed", x.Readings
		if !x.Passed {
			word = "FAILED"
		}
		if x.Writes {
			word += ", was written to"
		}
		fmt.Fprintf(t, "%s\t%s", x.ID, word)
		if r != nil {
			fmt.Fprintf(t, "\t%s\t%s/s", units.Bytes(r.Bytes), units.Bytes(int64(r.Rate)))
		}
		fmt.Fprintf(t, "\t%s\n", x.Error)
	}
	return t.Flush()
}
