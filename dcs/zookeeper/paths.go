package zookeeper

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/regent-ha/regent/dcs"
)

// Keys are paths below the cluster's node. A member's name is one element of a
// path, so what can't stand in one is written as %XX: a slash, control
// characters, what ZooKeeper doesn't take (Programmer's Guide, "Data Model"), and
// a percent sign that would read as such.

func (d *DCS) path(k dcs.Key) string {
	if name, ok := k.MemberName(); ok {
		return d.root + "/" + string(dcs.MemberKey(escape(name)))
	}
	return d.root + "/" + string(k)
}

// keyOf is the inverse of path.
func (d *DCS) keyOf(path string) dcs.Key {
	k := dcs.Key(strings.TrimPrefix(path, d.root+"/"))
	if name, ok := k.MemberName(); ok {
		return dcs.MemberKey(unescape(name))
	}
	return k
}

func escape(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	var b strings.Builder
	for i, r := range name {
		if r == '/' || r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0xd800 && r < 0xf900 || r >= 0xfff0 && r <= 0xffff || r == '%' && isEscape(name[i:]) {
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unescape(element string) string {
	var b strings.Builder
	for i := 0; i < len(element); i++ {
		if isEscape(element[i:]) {
			b.WriteByte(hexValue(element[i+1])<<4 | hexValue(element[i+2]))
			i += 2
			continue
		}
		b.WriteByte(element[i])
	}
	return b.String()
}

func isEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && hexValue(s[1]) < 16 && hexValue(s[2]) < 16
}

func hexValue(c byte) byte {
	if i := strings.IndexByte("0123456789ABCDEF", c); i >= 0 {
		return byte(i)
	}
	return 16
}

// makePath creates a node without a value, and those above it, unless they are
// there.
func (d *DCS) makePath(ctx context.Context, c *conn, node string) error {
	for {
		_, err := c.multi(ctx, create(node, nil, d.acl, 0))
		switch refusal(err) {
		case 0:
			return err
		case codeNodeExists:
			return nil
		case codeNoNode:
			if parent := path.Dir(node); parent != "/" {
				if err := d.makePath(ctx, c, parent); err != nil {
					return err
				}
				continue
			}
		}
		return fmt.Errorf("create %w", err)
	}
}

// makeParent is for a change that was refused for want of what it stands under.
func (d *DCS) makeParent(ctx context.Context, c *conn, node string) error {
	return d.makePath(ctx, c, path.Dir(node))
}
