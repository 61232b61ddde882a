package fence

import "time"

// watch looks again and again while only a standby may run. The core hears of
// what is new, and of what must not be each time.
func (g *guard) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last Server
	for {
		if !g.watching.Load() {
			last = ""
			<-g.wake
			continue
		}
		server, err := g.looker.again()
		if err != nil {
			g.log.Error("looking for what runs", "error", err)
		} else if server != last || server == Writable {
			last = server
			g.inbox <- message{event: Looked{Server: server}}
		}
		select {
		case <-ticker.C:
		case <-g.wake:
		}
	}
}
