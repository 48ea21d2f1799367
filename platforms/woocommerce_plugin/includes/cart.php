<?php
/**
 * What a cart holds, read so that it can be shown in an e-mail and put together again.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

/** What WooCommerce itself keeps in a cart line; the rest belongs to other plugins, an engraving, say. */
const LINE_KEYS = array(
	'key',
	'product_id',
	'variation_id',
	'variation',
	'quantity',
	'data',
	'data_hash',
	'line_tax_data',
	'line_subtotal',
	'line_subtotal_tax',
	'line_total',
	'line_tax',
);

/**
 * The cart of this request, in the currency and with or without tax as the shopper sees it.
 */
function read_cart(): array {
	$cart  = WC()->cart;
	$taxed = $cart->display_prices_including_tax();
	$lines = array();
	foreach ( $cart->get_cart() as $item ) {
		if ( $item['data'] instanceof \WC_Product ) {
			$lines[] = read_line( $item, $taxed );
		}
	}
	return array(
		'currency' => get_woocommerce_currency(),
		'subtotal' => money( $cart->get_displayed_subtotal() ),
		'discount' => money( $cart->get_discount_total() + ( $taxed ? $cart->get_discount_tax() : 0 ) ),
		'total'    => money( $cart->get_total( 'edit' ) ),
		'coupons'  => array_values( array_map( 'strval', $cart->get_applied_coupons() ) ),
		'lines'    => $lines,
	);
}

/**
 * One line of the cart.
 *
 * @param array $item  WooCommerce's cart item.
 * @param bool  $taxed Whether the shopper sees prices with tax.
 */
function read_line( array $item, bool $taxed ): array {
	$product  = $item['data'];
	$quantity = $item['quantity'];
	$total    = ( $item['line_subtotal'] ?? 0 ) + ( $taxed ? ( $item['line_subtotal_tax'] ?? 0 ) : 0 );
	$extra    = array_diff_key( $item, array_flip( LINE_KEYS ) );
	return array(
		'key'          => $item['key'] ?? '',
		'product_id'   => (int) $item['product_id'],
		'variation_id' => (int) $item['variation_id'],
		'name'         => plain( $product->get_name(), 200 ),
		'variation'    => array_map( 'strval', (array) $item['variation'] ),
		'attributes'   => plain( str_replace( "\n", ', ', trim( wc_get_formatted_cart_item_data( $item, true ) ) ), 200 ),
		'sku'          => (string) $product->get_sku(),
		'quantity'     => $quantity,
		'price'        => money( $quantity > 0 ? $total / $quantity : 0 ),
		'total'        => money( $total ),
		'image'        => (string) wp_get_attachment_image_url( (int) $product->get_image_id(), 'woocommerce_single' ),
		'url'          => (string) $product->get_permalink( $item ),
		// Objects cannot come back from JSON as they were: such a line returns without its extras.
		'extra'        => json_decode( (string) wp_json_encode( $extra ), true ) == $extra ? $extra : array(), // phpcs:ignore Universal.Operators.StrictComparisons.LooseEqual -- The order of keys is no difference.
	);
}

/**
 * What makes two carts the same for the shopper: what is in them, not what shipping costs today.
 *
 * @param array $cart As read_cart() gives it.
 */
function contents( array $cart ): array {
	return array( wp_list_pluck( $cart['lines'], 'quantity', 'key' ), $cart['coupons'] );
}

/**
 * An amount as "14.50".
 *
 * @param float|string $amount The amount.
 */
function money( $amount ): string {
	return wc_format_decimal( (float) $amount, wc_get_price_decimals() );
}

/**
 * Text without markup. The block checkout hands names over with HTML entities.
 *
 * @param mixed $text   Anything.
 * @param int   $length The most characters to keep.
 */
function plain( $text, int $length ): string {
	$text = is_scalar( $text ) ? html_entity_decode( (string) $text, ENT_QUOTES, 'UTF-8' ) : '';
	return mb_substr( trim( wp_strip_all_tags( wp_check_invalid_utf8( $text ), true ) ), 0, $length );
}
