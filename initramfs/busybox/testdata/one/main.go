// Command one is built into a busybox by a test.
package main

import (
	"fmt"
	"os"

	"github.com/orbit-pxe/orbit/initramfs/busybox/testdata/trace"
	"github.com/orbit-pxe/orbit/pkg/version"
)

var name = trace.Note("one")

func main() {
	fmt.Println(name, os.Args[1:], "initialised:", trace.String()+", version", version.String())
}
