{{/* The settings: the manifests' own, the names of the Service in this namespace, and the values'. */}}
{{- define "video2mp3.settings" -}}
{{- $settings := dict -}}
{{- range .Files.Lines "base/settings.env" -}}
  {{- if and . (not (hasPrefix "#" .)) -}}
    {{- $pair := splitn "=" 2 . -}}
    {{- $_ := set $settings $pair._0 $pair._1 -}}
  {{- end -}}
{{- end -}}
{{- $own := printf "api.%s" .Release.Namespace -}}
{{- $_ := set $settings "VIDEO2MP3_ALLOWED_HOSTS" (printf "api,%s,%s.svc,%s.svc.cluster.local" $own $own $own) -}}
{{- range $name, $value := .Values.settings -}}
  {{- $_ := set $settings $name (toString $value) -}}
{{- end -}}
{{- range list "VIDEO2MP3_PUBLIC_URL" "VIDEO2MP3_STORAGE_URL" -}}
  {{- $_ := required (printf "settings.%s is required" .) (get $settings .) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* A NetworkPolicy's rules to some networks: a list with `cidrs` and `ports`. */}}
{{- define "video2mp3.egress" -}}
{{- range . }}
- to:
  {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . }}
  {{- end }}
  ports:
  {{- range .ports }}
    - port: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
