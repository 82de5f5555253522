// Package imagefile does what people do with image files: it converts them
// (Convert), reads them through (Verify) and signs them (Embed). Nodes do without
// it.
//
// A source of Convert is read at random if it can be: a raw file, a qcow2
// (package qcow2), an .ndz (package ndz), an Orbit image
// (docs/image-format.md), each a path or a URL on a server that gives parts of
// files. What is compressed otherwise is decoded into a temporary file beside the
// destination first. A block device is saved as savenode does it.
package imagefile
