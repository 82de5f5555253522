// Command two is built into a busybox by a test.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/orbit-pxe/orbit/initramfs/busybox/testdata/trace"
)

//go:embed text
var text string

var name string

func init() { name = trace.Note("two") }

func main() {
	fmt.Println(name, os.Args[1:], "initialised:", trace.String()+", "+text+tags)
	os.Exit(3)
}
