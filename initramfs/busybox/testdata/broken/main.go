// Command broken imports what doesn't compile.
package main

import _ "github.com/orbit-pxe/orbit/initramfs/busybox/testdata/broken/inner"

func main() {}
