package archive

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// roots is the file of CA certificates by which the node trusts https
// sources, in the place where Go and everyone else looks first.
//
// They are Mozilla's, as a module of the Go project brings them: pinned in
// go.mod, so the archive doesn't depend on the ca-certificates package of the
// machine that builds it; and as a file, so it is parsed only by a process
// that speaks TLS, and a site can put its own in place (-add).
//
// Authorities that Mozilla trusts only for certificates issued before a given
// day are left out, because a file can't say so.
func roots() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		// Writing to a bytes.Buffer can't fail.
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	return b.Bytes()
}
