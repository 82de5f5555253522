package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory"
)

func TestRun(t *testing.T) {
	var out, errs bytes.Buffer
	if err := run(context.Background(), &out, &errs, []string{"--json"}); err != nil {
		t.Fatal(err)
	}
	var m inventory.Machine
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || m.CPUs == 0 {
		t.Errorf("--json printed %s (%v)", out.Bytes(), err)
	}
	out.Reset()
	if err := run(context.Background(), &out, &errs, []string{"--macs"}); err != nil {
		t.Fatal(err)
	}
	if got, want := bytes.Count(out.Bytes(), []byte("\n")), len(m.NICs); got != want {
		t.Errorf("--macs printed %d lines for %d interfaces", got, want)
	}
	if err := run(context.Background(), &out, &errs, []string{"x"}); err == nil {
		t.Error("no error for an argument")
	}
}
