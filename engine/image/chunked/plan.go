package chunked

// Plan says of what a layer is put together.
type Plan struct {
	files map[string]*file
	local map[Sum]Source
	most  int64 // bytes of stored layers that may be copied

	// Ranges are the parts of the blob that are needed, ascending and apart.
	Ranges []Range
	// Reused are the bytes of the blob that are not needed, because their
	// content is here.
	Reused int64
}

// repeated is how many bytes more than all that is here, twice, a layer may consist of:
// a file that is named again and again costs nothing to send, and room on the disk.
const repeated = 1 << 30

// Plan uses what of the layer is in local. Of the blob, parts with no more than
// gap bytes between them become one.
func (t *Table) Plan(local map[Sum]Source, gap int64) *Plan {
	p := &Plan{files: make(map[string]*file, len(t.files)), local: local, most: repeated}
	for _, s := range local {
		p.most += 2 * s.Size
	}
	for i := range t.files {
		f := &t.files[i]
		p.files[f.name] = f
		for _, x := range f.pieces {
			if _, here := p.find(f, x); here {
				p.Reused += x.blob.Len()
			} else {
				p.need(x.blob, gap)
			}
		}
	}
	return p
}

func (p *Plan) need(r Range, gap int64) {
	if last := len(p.Ranges) - 1; last >= 0 && r.From-p.Ranges[last].To <= gap {
		p.Ranges[last].To = r.To
		return
	}
	p.Ranges = append(p.Ranges, r)
}

// find says where a piece of f is here.
func (p *Plan) find(f *file, x piece) (Source, bool) {
	if x.zeros {
		return Source{}, true
	}
	if s, ok := p.local[f.sum]; ok && s.Size == f.size {
		s.At, s.Size = s.At+x.at, x.size
		return s, true
	}
	s, ok := p.local[x.sum]
	return s, ok && s.Size == x.size
}

// Fetched is how many bytes of the blob are needed.
func (p *Plan) Fetched() (n int64) {
	for _, r := range p.Ranges {
		n += r.Len()
	}
	return n
}
