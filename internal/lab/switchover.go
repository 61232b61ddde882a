package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Switchover asks the leader to hand over to a node, as people do it: by POST
// /switchover. It returns when that is done or refused.
func (l *Lab) Switchover(ctx context.Context, to *Node) error {
	leader, err := l.Leader(ctx)
	if err != nil {
		return err
	}
	l.log.Info("switching over", "from", leader.Name, "to", to.Name)
	body, err := json.Marshal(map[string]string{"leader": leader.Name, "candidate": to.Name})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+leader.APIAddr+"/switchover", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("lab: switchover: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(answer)))
	}
	if err != nil {
		return fmt.Errorf("lab: switchover from %s to %s: %w", leader.Name, to.Name, err)
	}
	return nil
}
