//! From tokens to a tree, by operator strength (Pratt, 1973).

use super::function::Function;
use super::lexer::{Lexer, Token, beyond_integers};
use super::syntax::{Binary, CHOICE, COMPARISON, Kind, Name, Node, PREFIX, Unary};
use super::{ExpressionError, MAX_DEPTH, MAX_LENGTH};
use std::ops::Range;

pub(super) fn parse(text: &str, range: Range<usize>) -> Result<Node, ExpressionError> {
    if range.len() > MAX_LENGTH {
        let at = range.start..text.ceil_char_boundary(range.start + 1).min(range.end);
        let message = format!(
            "expression of {} bytes; at most {MAX_LENGTH} are read",
            range.len()
        );
        return Err(ExpressionError::new(at, message));
    }
    let mut lexer = Lexer::new(text, range.clone());
    let (token, at) = lexer.next()?;
    if token == Token::End {
        return Err(ExpressionError::new(range, "there is no expression here"));
    }
    let mut parser = Parser {
        lexer,
        token,
        at,
        before: range.start,
        depth: 0,
    };
    let tree = parser.expression(CHOICE)?;
    match &parser.token {
        Token::End => Ok(tree.node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// A node and the height of its tree. Chains such as `a + b + c` grow in height without nesting,
/// and everything that walks a tree does so by recursion.
struct Tree {
    node: Node,
    height: u32,
    in_parentheses: bool,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    at: Range<usize>,
    /// Where the token before the current one ends.
    before: usize,
    depth: u32,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<(Token, Range<usize>), ExpressionError> {
        let (token, at) = self.lexer.next()?;
        self.before = self.at.end;
        Ok((
            std::mem::replace(&mut self.token, token),
            std::mem::replace(&mut self.at, at),
        ))
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(&self.token, Token::Symbol(found) if *found == symbol)
    }

    fn take(&mut self, symbol: &str) -> Result<bool, ExpressionError> {
        let found = self.is(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn want(&mut self, symbol: &'static str, whose: &Range<usize>) -> Result<(), ExpressionError> {
        if self.take(symbol)? {
            return Ok(());
        }
        if self.token == Token::End {
            let message = format!("this is not closed by `{symbol}`");
            return Err(ExpressionError::new(whose.clone(), message));
        }
        Err(self.unexpected(&format!("`{symbol}`")))
    }

    fn unexpected(&self, wanted: &str) -> ExpressionError {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            Token::Integer(_) | Token::Float(_) => "a number".to_owned(),
            Token::Text(_) => "a text".to_owned(),
            Token::Name(name) => format!("`{name}`"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
        };
        let error = ExpressionError::new(self.at.clone(), format!("expected {wanted}, found {found}"));
        let instead = match &self.token {
            Token::Name(name) if name == "and" => "&&",
            Token::Name(name) if name == "or" => "||",
            Token::Name(name) if name == "not" => "!",
            _ => return error,
        };
        ExpressionError {
            replacement: Some(instead.to_owned()),
            ..error.help(format!("write `{instead}`"))
        }
    }

    fn too_deep(&self) -> ExpressionError {
        let message = format!("expression nested deeper than {MAX_DEPTH} levels");
        ExpressionError::new(self.at.clone(), message)
    }

    fn tree(&self, start: usize, kind: Kind, below: u32) -> Result<Tree, ExpressionError> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        let node = Node {
            at: start..self.before,
            kind,
        };
        Ok(Tree {
            node,
            height: below + 1,
            in_parentheses: false,
        })
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Tree, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let tree = self.operators(least);
        self.depth -= 1;
        tree
    }

    fn operators(&mut self, least: u8) -> Result<Tree, ExpressionError> {
        let mut left = self.prefix()?;
        loop {
            if self.is("?") && least <= CHOICE {
                left = self.choice(left)?;
                continue;
            }
            match self.operator() {
                Some(operator) if operator.strength() >= least => left = self.binary(left, operator)?,
                _ => return Ok(left),
            }
        }
    }

    fn choice(&mut self, condition: Tree) -> Result<Tree, ExpressionError> {
        let start = condition.node.at.start;
        let question = self.advance()?.1;
        let then = self.expression(CHOICE)?;
        self.want(":", &question)?;
        let otherwise = self.expression(CHOICE)?;
        let height = condition.height.max(then.height).max(otherwise.height);
        let kind = Kind::Choice(
            Box::new(condition.node),
            Box::new(then.node),
            Box::new(otherwise.node),
        );
        self.tree(start, kind, height)
    }

    fn binary(&mut self, left: Tree, operator: Binary) -> Result<Tree, ExpressionError> {
        let start = left.node.at.start;
        self.refuse_chain(&left, operator)?;
        self.advance()?;
        let right = self.expression(operator.strength() + 1)?;
        let height = left.height.max(right.height);
        let kind = Kind::Binary(operator, Box::new(left.node), Box::new(right.node));
        self.tree(start, kind, height)
    }

    /// `a < b < c` means something else in every language.
    fn refuse_chain(&self, left: &Tree, operator: Binary) -> Result<(), ExpressionError> {
        match &left.node.kind {
            Kind::Binary(inner, ..)
                if operator.strength() == COMPARISON
                    && inner.strength() == COMPARISON
                    && !left.in_parentheses =>
            {
                let message = format!(
                    "`{}` after a comparison: comparisons do not chain",
                    operator.symbol()
                );
                let error = ExpressionError::new(self.at.clone(), message);
                Err(error.help("write `a < b && b < c`, or parentheses"))
            }
            _ => Ok(()),
        }
    }

    fn operator(&self) -> Option<Binary> {
        let written = match &self.token {
            Token::Symbol(symbol) => *symbol,
            Token::Name(name) if name == "in" => "in",
            _ => return None,
        };
        Binary::ALL
            .into_iter()
            .find(|operator| operator.symbol() == written)
    }

    fn prefix(&mut self) -> Result<Tree, ExpressionError> {
        if self.is("!") {
            return self.not();
        }
        if self.is("-") {
            return self.negative();
        }
        let operand = self.operand()?;
        self.postfix(operand)
    }

    fn not(&mut self) -> Result<Tree, ExpressionError> {
        let start = self.advance()?.1.start;
        let operand = self.expression(PREFIX)?;
        self.tree(
            start,
            Kind::Unary(Unary::Not, Box::new(operand.node)),
            operand.height,
        )
    }

    /// A `-` belongs to the number behind it, so that the least integer can be written.
    fn negative(&mut self) -> Result<Tree, ExpressionError> {
        let start = self.advance()?.1.start;
        let literal = match self.token {
            Token::Integer(value) => Kind::Integer(0i64.checked_sub_unsigned(value).unwrap_or(i64::MIN)),
            Token::Float(value) => Kind::Float(-value),
            _ => {
                let operand = self.expression(PREFIX)?;
                let kind = Kind::Unary(Unary::Negate, Box::new(operand.node));
                return self.tree(start, kind, operand.height);
            }
        };
        self.advance()?;
        let literal = self.tree(start, literal, 0)?;
        self.postfix(literal)
    }

    fn operand(&mut self) -> Result<Tree, ExpressionError> {
        match &self.token {
            Token::Symbol("(") => self.parenthesised(),
            Token::Symbol("[") => self.list(),
            Token::Symbol("{") => self.map(),
            Token::Name(_) => self.name_or_call(),
            _ => self.literal(),
        }
    }

    fn parenthesised(&mut self) -> Result<Tree, ExpressionError> {
        let open = self.advance()?.1;
        let mut inner = self.expression(CHOICE)?;
        self.want(")", &open)?;
        inner.node.at = open.start..self.before;
        inner.in_parentheses = true;
        Ok(inner)
    }

    fn list(&mut self) -> Result<Tree, ExpressionError> {
        let open = self.advance()?.1;
        let (items, height) = self.items("]", &open)?;
        self.tree(open.start, Kind::List(items), height)
    }

    fn name_or_call(&mut self) -> Result<Tree, ExpressionError> {
        let (token, at) = self.advance()?;
        let Token::Name(name) = token else {
            return Err(self.unexpected("a name"));
        };
        let kind = match name.as_str() {
            "true" => Kind::Boolean(true),
            "false" => Kind::Boolean(false),
            "null" => Kind::Null,
            _ if self.is("(") => return self.call(&name, at),
            _ => Kind::Root(name),
        };
        self.tree(at.start, kind, 0)
    }

    fn literal(&mut self) -> Result<Tree, ExpressionError> {
        let kind = match &self.token {
            Token::Integer(value) => match i64::try_from(*value) {
                Ok(value) => Kind::Integer(value),
                Err(_) => return Err(beyond_integers(self.at.clone())),
            },
            Token::Float(value) => Kind::Float(*value),
            Token::Text(text) => Kind::Text(text.clone()),
            Token::Name(_) | Token::Symbol(_) | Token::End => return Err(self.unexpected("a value")),
        };
        let at = self.advance()?.1;
        self.tree(at.start, kind, 0)
    }

    /// Expressions up to a closing bracket; a comma may stand after the last.
    fn items(
        &mut self,
        close: &'static str,
        open: &Range<usize>,
    ) -> Result<(Vec<Node>, u32), ExpressionError> {
        let (mut items, mut height) = (Vec::new(), 0);
        while !self.is(close) {
            if self.token == Token::End {
                break;
            }
            let item = self.expression(CHOICE)?;
            height = height.max(item.height);
            items.push(item.node);
            if !self.take(",")? {
                break;
            }
        }
        self.want(close, open)?;
        Ok((items, height))
    }

    fn map(&mut self) -> Result<Tree, ExpressionError> {
        let open = self.advance()?.1;
        let (mut entries, mut height) = (Vec::<(Name, Node)>::new(), 0);
        while !self.is("}") && self.token != Token::End {
            let (token, at) = self.advance()?;
            let (Token::Text(text) | Token::Name(text)) = token else {
                return Err(ExpressionError::new(
                    at,
                    "a key of a map is a text, as in {'a': 1}",
                ));
            };
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(ExpressionError::new(
                    at,
                    format!("key `{}` occurs twice", text.escape_debug()),
                ));
            }
            self.want(":", &open)?;
            let value = self.expression(CHOICE)?;
            height = height.max(value.height);
            entries.push((Name { at, text }, value.node));
            if !self.take(",")? {
                break;
            }
        }
        self.want("}", &open)?;
        self.tree(open.start, Kind::Map(entries), height)
    }

    fn call(&mut self, name: &str, at: Range<usize>) -> Result<Tree, ExpressionError> {
        let Some(function) = Function::named(name) else {
            let names = Function::ALL.iter().map(|function| function.name());
            return Err(
                ExpressionError::new(at, format!("there is no function `{name}`")).did_you_mean(name, names)
            );
        };
        let open = self.advance()?.1;
        let (arguments, height) = self.items(")", &open)?;
        let (least, most) = function.arity();
        if arguments.len() < least || most.is_some_and(|most| arguments.len() > most) {
            let wanted = match most {
                Some(most) if most == least => format!("{least}"),
                Some(most) => format!("{least} to {most}"),
                None => format!("at least {least}"),
            };
            let plural = if wanted == "1" || wanted == "at least 1" {
                ""
            } else {
                "s"
            };
            let message = format!(
                "`{name}` takes {wanted} argument{plural}, not {}",
                arguments.len()
            );
            let at = at.start..self.before;
            return Err(ExpressionError::new(at, message).help(format!("write `{}`", function.usage())));
        }
        self.tree(at.start, Kind::Call(function, arguments), height)
    }

    /// Members and indices after a value.
    fn postfix(&mut self, mut of: Tree) -> Result<Tree, ExpressionError> {
        let start = of.node.at.start;
        loop {
            if self.take(".")? {
                let Token::Name(text) = &self.token else {
                    return Err(self.unexpected("a name after `.`"));
                };
                let name = Name {
                    at: self.at.clone(),
                    text: text.clone(),
                };
                self.advance()?;
                if self.is("(") {
                    let error = ExpressionError::new(name.at, "values have no methods");
                    return Err(error.help(format!(
                        "functions stand before their argument: `{}(…)`",
                        name.text
                    )));
                }
                of = self.tree(start, Kind::Member(Box::new(of.node), name), of.height)?;
            } else if self.is("[") {
                let open = self.advance()?.1;
                if self.is("*") {
                    let error =
                        ExpressionError::new(self.at.clone(), "`[*]` collects a matrix in `inputs` only");
                    return Err(error.help("here the name of a matrix step already is the list of its cells"));
                }
                let index = self.expression(CHOICE)?;
                self.want("]", &open)?;
                let height = of.height.max(index.height);
                let kind = match index.node.kind {
                    Kind::Text(text) => Kind::Member(
                        Box::new(of.node),
                        Name {
                            at: index.node.at,
                            text,
                        },
                    ),
                    _ => Kind::Index(Box::new(of.node), Box::new(index.node)),
                };
                of = self.tree(start, kind, height)?;
            } else {
                return Ok(of);
            }
        }
    }
}
