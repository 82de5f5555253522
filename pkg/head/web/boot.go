package web

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

// Boots tells whether a node that asks what to boot should load Orbit now,
// and why.
func (s *Site) Boots(id string) (bool, string) {
	orbit, reason := s.Nodes.Boot(id)
	if !orbit && s.Wait {
		return true, reason + ", waiting for one"
	}
	return orbit, reason
}

// script is what iPXE on a node runs.
func (s *Site) script(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := r.FormValue("mac")
	if text == "" {
		io.WriteString(w, boot.Again(base(r)))
		return
	}
	id, err := node.ParseID(text)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mac, _ := net.ParseMAC(id)
	orbit, reason := s.Boots(id)
	script := boot.Script{Head: base(r), MAC: mac, Consoles: s.Consoles, Append: s.Append, Reason: reason}
	s.Log.Info("boot script", "node", id, "address", remote(r), "orbit", orbit, "reason", reason)
	if orbit {
		io.WriteString(w, script.Orbit())
		return
	}
	io.WriteString(w, script.Disk())
}

// loader serves firmware that boots by HTTP with what others get by TFTP.
func (s *Site) loader(w http.ResponseWriter, r *http.Request) {
	f, err := s.Files.Open(r.PathValue("name"))
	if err != nil {
		refuse(w, err)
		return
	}
	s.send(w, r, f)
}

// artifact serves any regular file of the artifacts directory.
func (s *Site) artifact(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := images.CheckName(name); err != nil {
		refuse(w, os.ErrNotExist)
		return
	}
	f, err := os.Open(filepath.Join(s.Artifacts, name))
	if err != nil {
		refuse(w, err)
		return
	}
	s.send(w, r, f)
}

func remote(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}
