// Package schema has the JSON Schema (draft 2020-12) of inventories, for whoever
// reads them with something else than package hardware. A node has no use for it.
package schema

import _ "embed"

//go:embed inventory.schema.json
var text string

// JSON is the schema of documents of the version hardware.Schema.
func JSON() string { return text }
