package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// colours of the steps: waiting is grey, data is blue, what checks is green,
// what starts is orange.
var colours = map[api.Step]string{
	api.Firmware: "#9aa0a6", api.Network: "#6c8ebf", api.PlanStep: "#82b366",
	api.Fetch: "#4a90d9", api.Write: "#2b5fa8", api.Verify: "#5aa05a",
	api.Commit: "#3d7d3d", api.KexecTo: "#d9822b", api.Up: "#b3541e",
}

// Sizes of the picture, in pixels.
const (
	pictureWidth = 960
	left, right  = 110, 30 // margins of the chart
	top          = 70
	rowHeight    = 34
)

// picture draws the timeline as SVG (W3C SVG 1.1).
func (t *timeline) picture(title string) string {
	var b strings.Builder
	height := top + len(t.Spans)*rowHeight + 60
	x := func(seconds float64) float64 {
		return left + seconds/t.Total*(pictureWidth-left-right)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="13">`+"\n", pictureWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", pictureWidth, height)
	fmt.Fprintf(&b, `<text x="20" y="30" font-size="18" fill="#202124">%s</text>`+"\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<text x="20" y="50" fill="#5f6368">%.1f s, %s</text>`+"\n", t.Total, trips(t.Resets))
	bottom := top + len(t.Spans)*rowHeight + 6
	step := tickStep(t.Total)
	for s := 0.0; s <= t.Total; s += step {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#e0e0e0"/>`+"\n", x(s), top-6, x(s), bottom)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#5f6368">%g s</text>`+"\n", x(s), bottom+18, s)
	}
	for i, s := range t.Spans {
		y := top + i*rowHeight
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#202124">%s</text>`+"\n", left-12, y+19, s.Name)
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="2" fill="%s"><title>%s</title></rect>`+"\n",
			x(s.Start), y+4, math.Max(2, x(s.End)-x(s.Start)), rowHeight-12, colours[s.Name], html.EscapeString(s.About))
		t.label(&b, s, x(s.Start), x(s.End), y+19)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// label writes a step's numbers beside its bar, on the side with more room.
func (t *timeline) label(b *strings.Builder, s span, from, to float64, y int) {
	text := fmt.Sprintf("%.1f s", s.End-s.Start)
	if r := s.rate(); r != "" {
		text += "  (" + r + ")"
	}
	at, anchor := to+8, "start"
	if pictureWidth-right-to < from-left {
		at, anchor = from-8, "end"
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s" fill="#202124">%s</text>`+"\n", at, y, anchor, html.EscapeString(text))
}

// tickStep chooses marks so that there are about ten.
func tickStep(total float64) float64 {
	for _, step := range []float64{1, 2, 5, 10, 20, 30, 60, 120} {
		if total/step <= 12 {
			return step
		}
	}
	return 300
}
