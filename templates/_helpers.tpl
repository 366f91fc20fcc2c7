{{- /* Labels of every object. The owner label tells our objects from those of the platform's embedded module. */ -}}
{{- define "registry_module.labels" -}}
heritage: deckhouse
module: registry
registry.deckhouse.io/owner: registry-module
{{- end -}}

{{- /* Image of this module: <ModuleSource base>/registry@<digest>; without a ModuleSource the platform's own base. */ -}}
{{- define "registry_module.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $global := (($root.Values.global).modulesImages) | default dict -}}
{{- $digest := index (($global.digests).registry | default dict) $name -}}
{{- if not $digest -}}
{{- fail (printf "global.modulesImages.digests.registry.%s is missing: the bundle has no digest of this image" $name) -}}
{{- end -}}
{{- $own := $root.Values.registry.registry | default dict -}}
{{- if $own.base -}}
{{ $own.base }}/registry@{{ $digest }}
{{- else -}}
{{ required "global.modulesImages.registry.base is missing" ($global.registry).base }}@{{ $digest }}
{{- end -}}
{{- end -}}
