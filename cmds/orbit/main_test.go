package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name     string
		args     []string
		out, err string
	}{
		{"no arguments", nil, "orbit rejoin [flags] ARTIFACTS", ""},
		{"help", []string{"help"}, "orbit boot [flags] [DISK]", ""},
		{"version", []string{"version"}, "orbit ", ""},
		{"unknown verb", []string{"fly"}, "", `no verb "fly" (try orbit help)`},
		{"init by hand", []string{"init"}, "", "not process 1"},
		{"agent with arguments", []string{"agent", "x"}, "", `unexpected argument "x"`},
		{"net with arguments", []string{"net", "x"}, "", `unexpected argument "x"`},
		{"boot of two disks", []string{"boot", "a", "b"}, "", "one disk at most"},
		{"rejoin without artifacts", []string{"rejoin"}, "", "want one ARTIFACTS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			err := run(context.Background(), &out, &errs, test.args)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if !strings.Contains(out.String(), test.out) {
				t.Errorf("output %q, want %q in it", out.String(), test.out)
			}
		})
	}
}

// TestBootKeepsOffInstalledSystems would otherwise end the machine it runs on.
func TestBootKeepsOffInstalledSystems(t *testing.T) {
	if onNode() {
		t.Skip("this system runs from memory as a node does")
	}
	err := run(context.Background(), os.Stdout, os.Stderr, []string{"boot", "/dev/null"})
	if err == nil || !strings.Contains(err.Error(), "this is an installed system") {
		t.Errorf("error %v", err)
	}
}

func TestEveryVerbExplainsItself(t *testing.T) {
	for _, v := range verbs() {
		if v.name == "" || v.meaning == "" || v.run == nil {
			t.Errorf("verb %+v is incomplete", v)
		}
	}
}
