package multicall

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	known := func(n string) bool { return n == "ls" || n == "orbit" || n == "gosh" || n == "shutdown" }
	aliases := []Alias{
		{Name: "init", Command: "orbit", Args: []string{"init"}},
		{Name: "sh", Command: "gosh"},
		{Name: "reboot", Command: "shutdown", Args: []string{"-r"}},
		{Name: "broken", Command: "nothing"},
	}
	tests := []struct {
		name string
		args []string
		pid  int
		want string
		line []string
	}{
		{"by path", []string{"/bbin/ls", "-l", "/"}, 20, "ls", []string{"/bbin/ls", "-l", "/"}},
		{"by second word", []string{"/bbin/bb", "ls", "-l"}, 20, "ls", []string{"ls", "-l"}},
		{"own name wins over arguments", []string{"orbit", "ls"}, 20, "orbit", []string{"orbit", "ls"}},
		{"alias", []string{"/bin/sh", "-c", "ls"}, 20, "gosh", []string{"gosh", "-c", "ls"}},
		{"alias with arguments", []string{"reboot", "now"}, 20, "shutdown", []string{"shutdown", "-r", "now"}},
		{"kernel starts init with stray words", []string{"/init", "quiet", "ls"}, 1, "orbit", []string{"orbit", "init"}},
		{"process 1 by another name is init", []string{"/linuxrc"}, 1, "orbit", []string{"orbit", "init"}},
		{"process 1 may be a shell (rdinit=)", []string{"/bbin/gosh"}, 1, "gosh", []string{"/bbin/gosh"}},
		{"no arguments at all", nil, 1, "orbit", []string{"orbit", "init"}},
		{"unknown", []string{"/bbin/vi", "file"}, 20, "", nil},
		{"alias to a command that is not built in", []string{"broken"}, 20, "", nil},
		{"own name alone", []string{"bb"}, 20, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, line, ok := Resolve(tt.args, tt.pid, aliases, known)
			if ok != (tt.want != "") {
				t.Fatalf("resolve %q: ok = %v", tt.args, ok)
			}
			if ok && got != tt.want {
				t.Errorf("resolve %q = %q, want %q", tt.args, got, tt.want)
			}
			if diff := cmp.Diff(tt.line, line); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}
