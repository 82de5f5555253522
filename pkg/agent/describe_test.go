package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program has a script be the inventory that is found.
func program(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inventory"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// A program that has said all, but does not end, for a disk of it hangs, keeps the
// document from nobody, and white space goes on no wire.
func TestDescribeHanging(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	program(t, `printf '{"schema":"x",\n"disks":[{}'; printf ']}\n'; exec sleep 60`)
	b, err := describe(ctx, "--json")
	if err != nil || string(b) != `{"schema":"x","disks":[{}]}` || ctx.Err() != nil {
		t.Errorf("%q, %v, %v", b, err, ctx.Err())
	}
}

func TestDescribeFaults(t *testing.T) {
	for script, want := range map[string]string{
		`printf '{"half":'; exit 0`:               "no JSON",
		`echo nothing to say >&2; exit 3`:         "nothing to say",
		`head -c 2000000 /dev/zero | tr '\0' ' '`: "longer than",
	} {
		program(t, script)
		if b, err := describe(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", script, b, err)
		}
	}
	program(t, "trap '' TERM; while :; do sleep 1; done")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := describe(ctx); err == nil {
		t.Error("a program that says nothing described the machine")
	}
}

// A burn-in that has told all, but does not end, for a disk of it hangs, is over.
func TestBurninHanging(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
echo '{"step":"disk","state":"failed","message":"disk X: it does not answer"}'
echo '{"receipt":{"passed":false}}'
exec sleep 60
`
	if err := os.WriteFile(filepath.Join(dir, "orbit"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	console := &screen{more: make(chan struct{})}
	err := newAgent(Config{Out: console}).child(ctx, "orbit", "burnin")
	if err == nil || err.Error() != "orbit: disk X: it does not answer" || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
	if said, _, all := console.find("does not end: a driver hangs"); !said {
		t.Errorf("the console does not say it:\n%s", all)
	}
}
