package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func TestRun(t *testing.T) {
	var out, errs bytes.Buffer
	if err := run(context.Background(), &out, &errs, []string{"--json"}); err != nil {
		t.Fatal(err)
	}
	var d hardware.Document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Schema != hardware.Schema {
		t.Errorf("--json printed %s (%v)", out.Bytes(), err)
	}
	for _, args := range [][]string{{"x"}, {"--only", "everything"}} {
		if err := run(context.Background(), &out, &errs, args); err == nil {
			t.Errorf("no error for %q", args)
		}
	}
}
