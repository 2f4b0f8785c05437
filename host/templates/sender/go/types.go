// Package types has the types of WIT that Go lacks, as the bindings use them.
package types

type Unit struct{}

type Tuple2[T, U any] struct {
	F0 T
	F1 U
}

const (
	OptionNone uint8 = iota
	OptionSome
)

type Option[T any] struct {
	tag   uint8
	value T
}

func None[T any]() Option[T] {
	return Option[T]{}
}

func Some[T any](value T) Option[T] {
	return Option[T]{OptionSome, value}
}

func (option Option[T]) Tag() uint8 {
	return option.tag
}

// Some is the value; it panics if there is none.
func (option Option[T]) Some() T {
	if option.tag != OptionSome {
		panic("the option is none")
	}
	return option.value
}

const (
	ResultOk uint8 = iota
	ResultErr
)

type Result[T, E any] struct {
	tag   uint8
	value T
	err   E
}

func Ok[T, E any](value T) Result[T, E] {
	return Result[T, E]{value: value}
}

func Err[T, E any](err E) Result[T, E] {
	return Result[T, E]{tag: ResultErr, err: err}
}

func (result Result[T, E]) Tag() uint8 {
	return result.tag
}

// Ok is the value; it panics if there is an error instead.
func (result Result[T, E]) Ok() T {
	if result.tag != ResultOk {
		panic("the result is an error")
	}
	return result.value
}

// Err is the error; it panics if there is none.
func (result Result[T, E]) Err() E {
	if result.tag != ResultErr {
		panic("the result is no error")
	}
	return result.err
}
