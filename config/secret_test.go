package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsDontShow(t *testing.T) {
	c := load(t, "testdata/patroni.yml")
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("plain", "password", etcd3(c).Password, "etcd3", etcd3(c), "restapi", c.RESTAPI)
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "etcd3", etcd3(c), "restapi", c.RESTAPI)
	document, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%s %v %+v %#v %q %x %d", etcd3(c).Password, c.RESTAPI, c.Store, etcd3(c), etcd3(c).Password,
		etcd3(c).Password, etcd3(c).Password)
	for what, text := range map[string]string{"log": log.String(), "JSON": string(document), "print": printed} {
		for _, secret := range []string{"etcd secret", "0042", fmt.Sprintf("%x", "etcd secret")} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %s", what, secret, text)
			}
		}
		if !strings.Contains(text, redacted) {
			t.Errorf("%s doesn't show that there is a secret: %s", what, text)
		}
	}
	if etcd3(c).Password.Reveal() != "etcd secret" || Secret("").String() != "" {
		t.Error("a secret is lost or made up")
	}
}

func TestWholeConfigPrintsNoSecret(t *testing.T) {
	c := load(t, "testdata/patroni.yml")
	for _, text := range []string{fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%v", *c)} {
		if strings.Contains(text, "secret") || strings.Contains(text, "012345") {
			t.Error(text)
		}
	}
}
