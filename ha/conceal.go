package ha

import "regexp"

// concealed stands where a secret was.
const concealed = "***"

// secretWords are what the names of secrets have in them.
const secretWords = `[\w.-]*(?:password|passwd|passphrase|secret|token|credential)[\w.-]*`

var (
	secretName = regexp.MustCompile(`(?i)^` + secretWords + `$`)
	// Where a text gives a secret: in a URL, in JSON, and as name=value.
	secretInURL   = regexp.MustCompile(`(://[^/@\s:]*:)[^/\s]*@`)
	secretInJSON  = regexp.MustCompile(`(?i)("` + secretWords + `"\s*:\s*)"(?:[^"\\]|\\.)*"`)
	secretInValue = regexp.MustCompile(`(?i)(\b` + secretWords + `\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'"&,;]+)`)
)

// conceal takes the secrets out of a text that leaves the agent. None belongs
// into what this is used for; a URL or a configuration that somebody wrote into
// the store may have one all the same.
func conceal(text string) string {
	text = secretInURL.ReplaceAllString(text, `${1}`+concealed+`@`)
	text = secretInJSON.ReplaceAllString(text, `${1}"`+concealed+`"`)
	return secretInValue.ReplaceAllString(text, `${1}`+concealed)
}
