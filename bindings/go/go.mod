module github.com/imagewright/imagewright/bindings/go

go 1.19
