<?php
/**
 * How a checkout ends: ordered when the shopper pressed the button, completed when the order is paid or on hold.
 *
 * Not every gateway reports a payment (cash on delivery and bank transfer never do), so the order's status decides.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

on( 'woocommerce_store_api_checkout_update_order_from_request', __NAMESPACE__ . '\typed_with_order' );
on( 'woocommerce_store_api_checkout_order_processed', __NAMESPACE__ . '\ordered' );
on( 'woocommerce_checkout_order_processed', static fn( $id, $posted, $order ) => ordered( $order ) );
on( 'woocommerce_order_status_changed', __NAMESPACE__ . '\order_status_changed' );

/**
 * A block checkout's order, before it is checked.
 *
 * @param \WC_Order        $order   The order.
 * @param \WP_REST_Request $request What the browser sent.
 */
function typed_with_order( $order, $request ): void {
	consent_in_extensions( $request['extensions'] );
	if ( isset( $request['billing_address']['email'] ) ) {
		Seen::$typed = array( 'email' => typed_in_request( $request, $order->get_billing_email() ) );
	}
}

/**
 * The shopper pressed "Place order"; nothing is paid yet.
 *
 * @param \WC_Order $order The order.
 */
function ordered( $order ): void {
	$key = session_key();
	if ( '' === $key || ! $order instanceof \WC_Order || ! WC()->cart || WC()->cart->is_empty() ) {
		return;
	}
	$typed = Seen::$typed ?? array( 'email' => address( $order->get_billing_email() ) );
	$row   = find( 'cart_key', $key );
	if ( ! $row && '' === $typed['email'] ) {
		return;
	}
	$row = record( $row, $key, $typed );
	if ( ! $row ) {
		return;
	}
	Seen::$typed = null;
	remember( 'ordered', $row['token'] );
	change(
		(int) $row['id'],
		array(
			'status'       => 'ordered',
			'stage'        => 'payment',
			'order_id'     => $order->get_id(),
			'order_status' => $order->get_status(),
		),
		true
	);
	$parent = find( 'id', (int) $row['parent_id'] );
	$order->update_meta_data( '_wc_winback_checkout', $row['token'] );
	if ( $parent ) {
		$order->update_meta_data( '_wc_winback_parent', $parent['token'] );
	}
	$order->save_meta_data();
}

/**
 * The order's status changed, in the shopper's request, in a gateway's, or by staff.
 *
 * @param int       $id    The order.
 * @param string    $from  Its old status.
 * @param string    $to    Its new one.
 * @param \WC_Order $order The order.
 */
function order_status_changed( $id, $from, $to, $order ): void {
	$row = find( 'token', (string) $order->get_meta( '_wc_winback_checkout' ) );
	if ( ! $row ) {
		return;
	}
	order_decides( $row, (int) $id, $to );
	$parent = find( 'id', (int) $row['parent_id'] );
	// What a visitor of the link bought ends the checkout that the link belongs to. His failures are not its own.
	if ( $parent && ( is_bought( $to ) || (int) $parent['order_id'] === (int) $id ) ) {
		order_decides( $parent, (int) $id, $to );
	}
}

/**
 * Changes one checkout after its order.
 *
 * @param array  $row The row.
 * @param int    $id  The order.
 * @param string $to  The order's status.
 */
function order_decides( array $row, int $id, string $to ): void {
	$fields = array(
		'order_id'     => $id,
		'order_status' => $to,
	);
	if ( is_bought( $to ) && 'completed' !== $row['status'] ) {
		$fields += array(
			'status'       => 'completed',
			'completed_at' => gmdate( 'Y-m-d H:i:s' ),
			'cart_key'     => null,
		);
	} elseif ( 'failed' === $to && in_array( $row['order_status'], array( 'pending', 'on-hold', 'checkout-draft', '' ), true ) ) {
		$fields += array(
			'status'       => 'open',
			'stage'        => 'payment_failed',
			'completed_at' => null,
		);
	} elseif ( 'cancelled' === $to && 'ordered' === $row['status'] ) {
		$fields['status'] = 'open'; // Never paid. A paid order that staff cancels stays completed: nobody is to be won back.
	}
	change( (int) $row['id'], $fields, false );
}

/**
 * Whether an order in this status is a purchase. A status that other plugins invent counts: buyers must not be bothered.
 *
 * @param string $status Without wc-.
 */
function is_bought( string $status ): bool {
	return ! in_array( $status, array( 'pending', 'failed', 'cancelled', 'checkout-draft', 'auto-draft', 'trash', 'draft', 'refunded' ), true );
}
